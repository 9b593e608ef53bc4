import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { bin, sandbox } from './run-cli.ts';

/** Usage errors: exit 2, a code, a hint, nothing started, and the same as JSON. */
const CASES: Array<[string, string[], string]> = [
  ['an unknown command', ['deplyo', 'bare'], 'UNKNOWN_COMMAND'],
  ['an unknown target', ['deploy', 'dokcer'], 'UNKNOWN_TARGET'],
  ['an unknown flag', ['load', '--rat', '5'], 'BAD_FLAG'],
  ['a missing target', ['deploy'], 'BAD_FLAG'],
  ['a rate that is not a number', ['load', 'bare', '--rate', 'fast'], 'BAD_FLAG'],
  ['a duration that is none', ['load', 'bare', '--duration', 'long'], 'BAD_FLAG'],
  ['a URL without a scheme', ['load', '--url', '127.0.0.1:80'], 'BAD_FLAG'],
  ['a foreign scheme', ['load', '--url', 'ftp://127.0.0.1/'], 'BAD_FLAG'],
  ['a target and a URL', ['load', 'bare', '--url', 'http://127.0.0.1/'], 'BAD_FLAG'],
  ['a threshold that is none', ['load', 'bare', '--threshold', 'p99 is nice'], 'BAD_FLAG'],
  ['a header that is none', ['load', 'bare', '--header', 'nonsense'], 'BAD_FLAG'],
  ['a memory ceiling that is none', ['deploy', 'bare', '--memory', 'lots'], 'BAD_FLAG'],
  ['a port out of range', ['deploy', 'bare', '--port', '99999'], 'BAD_FLAG'],
  ['no deployment to load', ['load'], 'NOT_DEPLOYED'],
  ['down without a name', ['down'], 'BAD_FLAG'],
  ['probe without a name', ['probe'], 'BAD_FLAG'],
  ['a scenario that is not there', ['load', 'bare', '--scenario', 'absent.json'], 'BAD_SCENARIO'],
  ['a record that is not there', ['compare', 'absent.json'], 'RECORD_NOT_FOUND'],
  ['no records at all', ['compare'], 'RECORD_NOT_FOUND'],
  ['an unknown bench target', ['bench', '--targets', 'bare,moon'], 'UNKNOWN_TARGET'],
  ['a bench to resume that is not there', ['bench', '--resume', 'absent'], 'RECORD_NOT_FOUND'],
];

describe('usage errors', { concurrency: 2 }, () => {
  for (const [name, args, code] of CASES) {
    it(`${name}: ${code}, exit 2, with a hint`, async (t) => {
      const { run } = sandbox(t);
      const json = await run([...args, '--json']);
      assert.equal(json.code, 2);
      const { error } = json.json<{ error: Record<string, unknown> }>();
      assert.equal(error['code'], code);
      assert.equal(error['exitCode'], 2);
      assert.ok(error['message'] && error['hint']);
    });
  }

  it('says the same to people: code, message and hint on stderr, nothing on stdout', async (t) => {
    const { run } = sandbox(t);
    const { code, stdout, stderr } = await run(['deploy', 'bare', '--memory', 'lots']);
    assert.equal(code, 2);
    assert.match(stderr, /^error BAD_FLAG: --memory: "lots" is not a size$/m);
    assert.match(stderr, /^ {2}hint: /m);
    assert.equal(stdout, '');
  });

  it('suggests the nearest name', async (t) => {
    const { run } = sandbox(t);
    assert.match((await run(['deplyo'])).stderr, /scratchpad deploy/);
    assert.match((await run(['deploy', 'dokcer'])).stderr, /docker/);
  });
});

describe('compare refuses', () => {
  it('a record that is cut off, foreign, or of another version', async (t) => {
    const { run, folder } = sandbox(t);
    const file = join(folder, 'record.json');
    const codeFor = async (text: string) => {
      writeFileSync(file, text);
      const result = await run(['compare', file, '--json']);
      assert.equal(result.code, 2);
      return result.json<{ error: { code: string } }>().error.code;
    };
    assert.equal(await codeFor('{"schemaVersion":1,"kind":"load"'), 'RECORD_UNREADABLE');
    assert.equal(await codeFor('{"name":"something else"}'), 'RECORD_FOREIGN');
    assert.equal(await codeFor('{"schemaVersion":99,"kind":"load"}'), 'RECORD_FOREIGN');
    assert.equal(await codeFor('[]'), 'RECORD_FOREIGN');
  });
});

describe('the program', () => {
  it('ends quietly when its reader closes the pipe', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"${process.execPath}" "${bin}" status | true`],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(status, 0);
    assert.equal(stderr, '');
  });

  it('refuses a port that another program holds, and names it', async (t) => {
    const { run } = sandbox(t);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const result = await run(['deploy', 'bare', '--port', String(port), '--json']);
    assert.equal(result.code, 3);
    const { error } = result.json<{ error: Record<string, unknown> }>();
    assert.equal(error['code'], 'PORT_IN_USE');
    assert.match(String(error['message']), new RegExp(String(port)));
    const status = await run(['status', '--json']);
    assert.deepEqual(status.json(), { deployments: [], unreadable: [] });
  });
});
