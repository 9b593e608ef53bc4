import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import {
  DEPLOYMENT_MARKER,
  environmentOf,
  findMarked,
  identify,
  isAlive,
  terminate,
  waitUntilGone,
} from '../../cli/targets/process-identity.ts';

const linux = { skip: process.platform === 'linux' ? false : 'needs /proc' };

/** A process that has printed "ready" and then waits. */
async function waiting(
  t: TestContext,
  code = '',
  env: Record<string, string> = {},
): Promise<ChildProcess & { pid: number }> {
  const program = `${code}; setInterval(() => {}, 1e6); process.stdout.write('ready')`;
  const child = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child as ChildProcess & { pid: number };
}

describe('which process is meant', linux, () => {
  it('a pid that was given to another process since is not the one', async (t) => {
    const { pid } = await waiting(t);
    const identity = identify(pid);
    assert.equal(isAlive(identity), true);
    assert.equal(isAlive({ pid, startTicks: identity.startTicks! - 1 }), false);
  });

  it('a zombie is dead', async (t) => {
    // bash forks a child that ends, and never reaps it while it sleeps in read
    const shell = spawn('/bin/bash', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => shell.kill('SIGKILL'));
    const [text] = (await once(shell.stdout!, 'data')) as [Buffer];
    const pid = Number(text.toString());
    assert.equal(await waitUntilGone([identify(pid)], 5000), true);
    // still in the process table: exec'ed sleep does not wait for it
    assert.notEqual(identify(pid).startTicks, null);
  });

  it('is found by its marker, with that value and no other', async (t) => {
    const id = randomBytes(6).toString('hex');
    const { pid } = await waiting(t, '', { [DEPLOYMENT_MARKER]: id });
    assert.deepEqual(findMarked(DEPLOYMENT_MARKER, id), [identify(pid)]);
    assert.deepEqual(findMarked(DEPLOYMENT_MARKER, `${id}0`), []);
    assert.equal(environmentOf(pid, DEPLOYMENT_MARKER), id);
  });
});

describe('ending processes', () => {
  it('one that obeys SIGTERM ends by it', async (t) => {
    const child = await waiting(t);
    const exited = once(child, 'exit');
    assert.deepEqual(await terminate([identify(child.pid)], 5000), []);
    assert.deepEqual((await exited)[1], 'SIGTERM');
  });

  it('one that ignores SIGTERM is killed after the grace', async (t) => {
    const child = await waiting(t, "process.on('SIGTERM', () => {})");
    const exited = once(child, 'exit');
    assert.deepEqual(await terminate([identify(child.pid)], 50), []);
    assert.deepEqual((await exited)[1], 'SIGKILL');
  });

  it('another process under the same pid is not touched', linux, async (t) => {
    const child = await waiting(t);
    const { startTicks } = identify(child.pid);
    assert.deepEqual(await terminate([{ pid: child.pid, startTicks: startTicks! + 1 }], 0), []);
    assert.equal(isAlive({ pid: child.pid, startTicks }), true);
  });
});
