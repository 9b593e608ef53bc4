import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { networkPart } from '../../cli/meters/network.ts';

const onLinux = { skip: process.platform === 'linux' ? false : 'no /proc here' };
const READ = { expensive: false };
const reasonOf = async (part: ReturnType<typeof networkPart>) =>
  ((await part.read(READ)).sentBytes as { unavailable: string }).unavailable;

test('without a place to count there is a reason, and a better figure is named', async () => {
  assert.match(await reasonOf(networkPart(undefined)), /payload bytes of the load/);
  assert.equal(await reasonOf(networkPart({ kind: 'none', reason: 'not today' })), 'not today');
});

test('a process in the host’s own network is refused: others use that too', onLinux, async () => {
  const part = networkPart({ kind: 'namespace', pid: process.pid });
  assert.match(await reasonOf(part), /shares the network of the host/);
});

test('a process that does not exist is a reason', onLinux, async () => {
  const part = networkPart({ kind: 'namespace', pid: 2 ** 22 + 1 });
  assert.match(await reasonOf(part), /does not exist/);
});

test('a namespace of its own is counted without its loopback', onLinux, async (t) => {
  if (process.getuid?.() !== 0) return t.skip('a network namespace needs root');
  const inside = spawn('unshare', ['--net', 'sh', '-c', 'echo up; read x']);
  t.after(() => inside.kill('SIGKILL'));
  await once(inside.stdout, 'data');
  const part = networkPart({ kind: 'namespace', pid: inside.pid! });
  t.after(() => part.close());
  assert.deepEqual(await part.read(READ), { receivedBytes: 0, sentBytes: 0 });
  const ended = once(inside, 'exit');
  inside.kill('SIGKILL');
  await ended;
  // The open file holds the namespace: what was counted stays known until the meter is closed.
  assert.deepEqual(await part.read(READ), { receivedBytes: 0, sentBytes: 0 });
});

test('the host’s end of a pair is turned to the target’s side', onLinux, async (t) => {
  // eth0, or whatever there is besides loopback: its counters only rise.
  const name = readFileSync('/proc/net/dev', 'latin1')
    .split('\n')
    .slice(2)
    .map((line) => line.split(':')[0]!.trim())
    .find((each) => each !== 'lo' && each !== '');
  if (name === undefined) return t.skip('no interface besides loopback');
  const counter = (file: string) =>
    Number(readFileSync(`/sys/class/net/${name}/statistics/${file}`, 'latin1'));
  const before = { rx: counter('rx_bytes'), tx: counter('tx_bytes') };
  const figures = await networkPart({ kind: 'host-interface', name }).read(READ);
  const after = { rx: counter('rx_bytes'), tx: counter('tx_bytes') };
  const between = (value: unknown, low: number, high: number) =>
    assert.ok((value as number) >= low && (value as number) <= high);
  between(figures.receivedBytes, before.tx, after.tx);
  between(figures.sentBytes, before.rx, after.rx);
});

test('an interface that does not exist is a reason', onLinux, async () => {
  const part = networkPart({ kind: 'host-interface', name: 'none-of-ours' });
  assert.match(await reasonOf(part), /does not exist/);
});

test(
  'an interface that has gone took its count along: a reason, and no negative rise',
  onLinux,
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('a network namespace needs root');
    const script =
      'ip link add v0 type veth peer name v1 && echo up && read x; ip link del v0; echo gone; read y';
    const inside = spawn('unshare', ['--net', 'sh', '-c', script]);
    t.after(() => inside.kill('SIGKILL'));
    const [said] = await once(inside.stdout, 'data');
    if (!String(said).startsWith('up')) return t.skip('no `ip`, or no veth here');
    const part = networkPart({ kind: 'namespace', pid: inside.pid! });
    t.after(() => part.close());
    assert.equal(typeof (await part.read(READ)).sentBytes, 'number');
    inside.stdin.write('\n');
    await once(inside.stdout, 'data');
    assert.match(await reasonOf(part), /v[01] is gone, and what it had counted/);
  },
);
