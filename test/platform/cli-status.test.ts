/** `status --watch` as a user sees it: in a pipe, on a terminal, ended by Ctrl-C. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { freePort } from '../../cli/targets/port.ts';
import { bin, sandbox } from '../cli/run-cli.ts';

interface Watched {
  /** Until stdout matches; rejects with all that was printed when the child ends before. */
  until(pattern: RegExp): Promise<string>;
  /** Exit code and all that was printed. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function follow(child: ChildProcess): Watched {
  let stdout = '';
  let stderr = '';
  let wake = () => {};
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Awaited<Watched['ended']>>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        wake = () => pattern.test(stdout) && resolve(stdout);
        wake();
        void ended.then(() => reject(new Error(`ended without ${pattern}: ${stdout}${stderr}`)));
      }),
  };
}

/** A title line, a row of the deployment, twice. */
const TWO_TABLES = /(target +CPU[^\n]*\n[^\n]*bare +[\d.]+ %[^\n]*\n[\s\S]*){2}/;

test('status --watch shows live figures and is ended by Ctrl-C', async (t) => {
  const box = sandbox(t);
  const port = String(await freePort());
  const deployed = await box.run(['deploy', 'bare', '--port', port, '--json']);
  assert.equal(deployed.code, 0, deployed.stderr);
  const watch = () =>
    spawn(process.execPath, [bin, 'status', '--watch'], { env: box.env, stdio: 'pipe' });

  await t.test('in a pipe: a table a second, no control characters, exit 0', async () => {
    const child = watch();
    const { until, ended } = follow(child);
    const shown = await until(TWO_TABLES);
    assert.match(shown, /memory/);
    assert.match(shown, /http:\/\/127\.0\.0\.1:\d+/);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.ok(!stdout.includes('\u001b'), 'no control characters in a pipe');
    assert.doesNotMatch(stderr, /keeping what was measured|cleaning up/);
  });

  await t.test('on a terminal: redrawn in place, Ctrl-C leaves the deployment', async (t) => {
    if (spawnSync('script', ['--version']).status !== 0) return t.skip('no `script` (util-linux)');
    // exec: a shell that stays (dash) would take Ctrl-C too, and end with 130
    const command = `exec '${process.execPath}' '${bin}' status --watch`;
    const child = spawn('script', ['-q', '-e', '-c', command, '/dev/null'], {
      env: { ...box.env, TERM: 'xterm' },
      stdio: 'pipe',
    });
    const { until, ended } = follow(child);
    // Up over the two lines of the first table.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
    await until(/bare[\s\S]*\u001b\[2A[\s\S]*bare/);
    child.stdin.write('\u0003');
    const { code, stdout } = await ended;
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /keeping what was measured|cleaning up/);
    const { deployments } = (await box.run(['status', '--json'])).json<{
      deployments: Array<{ state: string }>;
    }>();
    assert.deepEqual(
      deployments.map(({ state }) => state),
      ['running'],
    );
  });

  await t.test('a target that ends meanwhile is shown to have ended', async () => {
    const child = watch();
    const { until, ended } = follow(child);
    await until(/bare +[\d.]+ %/);
    assert.equal((await box.run(['down', 'bare'])).code, 0);
    const shown = await until(/bare +– +–/);
    assert.match(shown, /bare: /, 'with the reason');
    child.kill('SIGTERM');
    assert.equal((await ended).code, 0);
  });

  await t.test(
    'a target that is killed is shown to have ended, whatever its cgroup says',
    async () => {
      assert.equal((await box.run(['deploy', 'bare', '--port', port])).code, 0);
      const { deployments } = (await box.run(['status', '--json'])).json<{
        deployments: Array<{ detail: string }>;
      }>();
      const pid = Number(/pid (\d+)/.exec(deployments[0]!.detail)?.[1]);
      assert.ok(pid > 1, deployments[0]!.detail);
      const child = watch();
      const { until, ended } = follow(child);
      await until(/bare +[\d.]+ %/);
      process.kill(pid, 'SIGKILL');
      assert.match(await until(/bare +– +–/), /bare: all of its processes have ended/);
      child.kill('SIGTERM');
      assert.equal((await ended).code, 0);
      assert.equal((await box.run(['down', 'bare'])).code, 0);
    },
  );

  await t.test('it has no --json', async () => {
    const { code, stdout } = await box.run(['status', '--watch', '--json']);
    assert.equal(code, 2);
    assert.match(stdout, /BAD_FLAG/);
  });
});
