/** The CLI under a Node that is not the pinned one: it hands itself over, and both end together. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pinnedNode } from '../../cli/bin/pinned-node.js';
import { identify, isAlive } from '../../cli/targets/process-identity.ts';
import { bin, matching, sandbox } from './run-cli.ts';

/** A Node of this host that is not the pinned one; null where it has none. */
function otherNode(): string | null {
  const pinned = pinnedNode();
  if (pinned === null) return null;
  const version = (path: string) =>
    spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout?.trim().slice(1);
  const found = ['/usr/bin/node', '/usr/local/bin/node'].filter((path) => existsSync(path));
  return found.find((path) => version(path) !== pinned.version) ?? null;
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => {
      try {
        const stat = readFileSync(`/proc/${each}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false; // ended meanwhile
      }
    });
}

/** A load under way, by another Node; its pinned child has nobody else to end it. */
async function underLoad(t: TestContext, node: string) {
  const { folder, env } = sandbox(t);
  const args = ['load', '--url', 'http://127.0.0.1:9/', '--rate', '5', '--duration', '60'];
  const child = spawn(node, [bin, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await matching(child, /open loop/);
  const [pinned] = childrenOf(child.pid!);
  assert.ok(pinned !== undefined, 'the pinned Node runs it');
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, pinned: identify(pinned), ended };
}

async function gone(process: ReturnType<typeof identify>): Promise<boolean> {
  const until = performance.now() + 20_000;
  while (isAlive(process) && performance.now() < until) await sleep(50);
  return !isAlive(process);
}

const node = process.platform === 'linux' ? otherNode() : null;
const skip = node === null ? 'this host has no other Node' : false;

test('SIGTERM of the one that was started ends both, with 130', { skip }, async (t) => {
  const { child, pinned, ended } = await underLoad(t, node!);
  child.kill('SIGTERM');
  assert.equal(await ended, 130);
  assert.ok(await gone(pinned));
});

test('SIGKILL of the one that was started ends the other in order', { skip }, async (t) => {
  const { child, pinned } = await underLoad(t, node!);
  child.kill('SIGKILL');
  assert.ok(await gone(pinned));
});
