/** A target from outside, through every command, for real: fixtures/targets/nice.mjs. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { freePort } from '../../cli/targets/port.ts';
import { identify, isAlive } from '../../cli/targets/process-identity.ts';
import { root, type Sandbox, sandbox } from '../cli/run-cli.ts';

/** A sandbox with the example in its folder, as a user would have copied it. */
function withExample(t: TestContext): Sandbox {
  const box = sandbox(t);
  cpSync(join(root, 'fixtures/targets/nice.mjs'), join(box.folder, 'nice.mjs'));
  return box;
}

interface ErrorReply {
  error: { code: string; message: string; cause?: string; hint: string };
}

/** Field 19 of /proc/PID/stat. */
function niceness(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

describe('a target from outside', () => {
  it('is deployed by its path, and then known by its name', async (t) => {
    const { run } = withExample(t);
    const port = String(await freePort());
    const deployed = await run(['deploy', './nice.mjs', '--port', port]);
    assert.equal(deployed.code, 0, deployed.stderr);
    assert.match(deployed.stdout, /nice is up at http[\s\S]*stop it with: scratchpad down nice/);
    const status = (await run(['status', '--json'])).json<{
      deployments: Array<{ target: string; state: string; detail: string }>;
    }>();
    const [only] = status.deployments;
    assert.equal(only?.target, 'nice');
    assert.equal(only?.state, 'running');
    const pid = Number(/pid (\d+)/.exec(only.detail)?.[1]);
    assert.equal(niceness(pid), 10);
    const load = await run(['load', 'nice', '--connections', '2', '--duration', '1', '--json']);
    // A busy host may make it client-limited.
    assert.ok(load.code === 0 || load.code === 4, load.stderr);
    const record = load.json<{
      target: { name: string };
      artifact: { verifiedInTarget: boolean };
      counts: { answered: number };
      reconciliation: { difference: number };
      resources: { window: Record<string, unknown> };
    }>();
    assert.equal(record.target.name, 'nice');
    assert.equal(record.artifact.verifiedInTarget, true);
    assert.ok(record.counts.answered > 0);
    assert.equal(record.reconciliation.difference, 0);
    const down = await run(['down', 'nice']);
    assert.match(down.stdout, /removed nice/);
    assert.equal(isAlive(identify(pid)), false);
    const unknown = await run(['probe', 'nice', '--json']);
    assert.equal(unknown.code, 2);
    assert.equal(unknown.json<ErrorReply>().error.code, 'UNKNOWN_TARGET');
    assert.match(unknown.json<ErrorReply>().error.hint, /\.\/my-target\.mjs/);
  });

  it('is one of all targets where SCRATCHPAD_TARGETS lists it', async (t) => {
    const { run } = withExample(t);
    const env = { SCRATCHPAD_TARGETS: './nice.mjs' };
    const doctor = (await run(['doctor', '--json'], { env })).json<{
      targets: Array<{ name: string; available: boolean }>;
    }>();
    assert.deepEqual(
      doctor.targets.find(({ name }) => name === 'nice')?.available,
      true,
      JSON.stringify(doctor.targets),
    );
    const probe = await run(['probe', 'nice', '--trials', '1', '--json'], { env });
    assert.equal(probe.code, 0, probe.stderr);
    assert.equal(probe.json<{ target: { name: string } }>().target.name, 'nice');
  });

  it('is benched against bare, and compared', async (t) => {
    const { run } = withExample(t);
    const bench = await run(
      [
        'bench',
        '--targets',
        'bare,./nice.mjs',
        '--quick',
        '--rounds',
        '1',
        '--duration',
        '1',
      ].concat('--out', 'bench'),
    );
    assert.equal(bench.code, 0, bench.stderr);
    assert.match(bench.stdout, /nice/);
    const compared = await run(['compare', 'bench', '--format', 'json']);
    assert.equal(compared.code, 0, compared.stderr);
    assert.match(compared.stdout, /"nice"/);
    assert.match((await run(['status'])).stdout, /nothing/);
  });

  for (const [what, code, problem] of [
    ['a syntax error', 'export default (', /does not load/],
    ['no default export', 'export const target = {};', /default export is no function/],
    [
      'a default export that throws',
      "export default () => { throw new Error('no luck'); };",
      /throws/,
    ],
    [
      'a step missing',
      "export default () => ({ name: 'x', summary: '', providers: [] });",
      /no function availability/,
    ],
    [
      'the name of a built-in',
      "export default () => ({ name: 'bare', summary: '', providers: [] });",
      /built-in/,
    ],
    [
      'a name that is none',
      "export default () => ({ name: 'My Target', providers: [] });",
      /its name is/,
    ],
  ] as const) {
    it(`with ${what} is refused: BAD_MODULE, exit 2`, async (t) => {
      const { run, folder } = sandbox(t);
      writeFileSync(join(folder, 'bad.mjs'), code);
      const { code: exit, json } = await run(['deploy', './bad.mjs', '--json']);
      assert.equal(exit, 2);
      const { error } = json<ErrorReply>();
      assert.equal(error.code, 'BAD_MODULE');
      assert.match(error.message, problem);
      assert.match(error.hint, /CONTRIBUTING\.md/);
    });
  }

  it('that fails in a step is at fault itself, exit 3, and nothing is left', async (t) => {
    const { run, folder } = withExample(t);
    const text = readFileSync(join(folder, 'nice.mjs'), 'utf8');
    writeFileSync(
      join(folder, 'nice.mjs'),
      text.replace(
        'async prepare(plan, progress) {',
        "async prepare() { throw new Error('no luck');",
      ),
    );
    const port = String(await freePort());
    const { code, json } = await run(['deploy', './nice.mjs', '--port', port, '--json']);
    assert.equal(code, 3);
    const { error } = json<ErrorReply>();
    assert.equal(error.code, 'TARGET_START_FAILED');
    assert.equal(error.cause, 'no luck');
    assert.match(error.hint, /nice\.mjs/);
    assert.match((await run(['status'])).stdout, /nothing/);
  });

  it('that was copied and given a name of its own is known by that in every command', async (t) => {
    const { run, folder } = withExample(t);
    const text = readFileSync(join(folder, 'nice.mjs'), 'utf8');
    // only its `name`, as step 2 of CONTRIBUTING says: its plan still says "nice"
    const renamed = text.replace('name: NAME', "name: 'my-target'");
    assert.notEqual(renamed, text);
    writeFileSync(join(folder, 'my-target.mjs'), renamed);
    const deployed = await run(['deploy', './my-target.mjs', '--port', String(await freePort())]);
    assert.equal(deployed.code, 0, deployed.stderr);
    const { deployments } = (await run(['status', '--json'])).json<{
      deployments: Array<{ target: string; state: string }>;
    }>();
    assert.deepEqual(
      deployments.map(({ target, state }) => [target, state]),
      [['my-target', 'running']],
    );
    const load = await run([
      'load',
      'my-target',
      '--connections',
      '1',
      '--duration',
      '1',
      '--json',
    ]);
    assert.equal(load.json<{ target: { name: string } }>().target.name, 'my-target', load.stderr);
    assert.match((await run(['down', 'my-target'])).stdout, /removed my-target/);
    assert.match((await run(['status'])).stdout, /nothing/);
  });

  it('that saves its state before it creates, as CONTRIBUTING says, is found after a SIGKILL', async (t) => {
    const { run, folder } = withExample(t);
    const text = readFileSync(join(folder, 'nice.mjs'), 'utf8');
    const changed = text.replace(
      'mark = started.mark;',
      'mark = started.mark; kit.saveState(state); process.kill(process.pid, "SIGKILL"); await new Promise(() => {});',
    );
    assert.notEqual(changed, text);
    writeFileSync(join(folder, 'nice.mjs'), changed);
    const killed = await run(['deploy', './nice.mjs', '--port', String(await freePort())]);
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
    // other processes, and nothing but the state file tells them of the module
    const { deployments } = (await run(['status', '--json'])).json<{
      deployments: Array<{ target: string; state: string; detail: string }>;
    }>();
    assert.deepEqual(
      deployments.map(({ target, state }) => [target, state]),
      [['nice', 'left over']],
      JSON.stringify(deployments),
    );
    const down = await run(['down', 'nice']);
    assert.equal(down.code, 0, down.stderr);
    assert.match(down.stdout, /removed nice/);
    assert.doesNotMatch(down.stderr, /module is gone/);
    assert.match((await run(['status'])).stdout, /nothing/);
  });

  it('whose module makes another target by now is removed by down --all even so', async (t) => {
    const { run, folder } = withExample(t);
    const deployed = await run(['deploy', './nice.mjs', '--port', String(await freePort())]);
    assert.equal(deployed.code, 0, deployed.stderr);
    const pid = Number(/pid (\d+)/.exec((await run(['status'])).stdout)?.[1]);
    assert.equal(isAlive(identify(pid)), true);
    const text = readFileSync(join(folder, 'nice.mjs'), 'utf8');
    writeFileSync(join(folder, 'nice.mjs'), text.replace("NAME = 'nice'", "NAME = 'kind'"));
    const down = await run(['down', '--all']);
    assert.equal(down.code, 0, down.stderr);
    assert.match(down.stderr, /its module is gone/);
    assert.equal(isAlive(identify(pid)), false);
    assert.match((await run(['status'])).stdout, /nothing/);
  });

  it('whose module is gone is removed by down --all even so', async (t) => {
    const { run, folder } = withExample(t);
    const port = String(await freePort());
    const deployed = await run(['deploy', './nice.mjs', '--port', port]);
    assert.equal(deployed.code, 0, deployed.stderr);
    const detail = (await run(['status'])).stdout;
    const pid = Number(/pid (\d+)/.exec(detail)?.[1]);
    rmSync(join(folder, 'nice.mjs'));
    assert.equal((await run(['down', 'nice'])).code, 2);
    const down = await run(['down', '--all']);
    assert.equal(down.code, 0, down.stderr);
    assert.match(down.stderr, /its module is gone/);
    assert.equal(isAlive(identify(pid)), false);
    assert.match((await run(['status'])).stdout, /nothing/);
  });
});
