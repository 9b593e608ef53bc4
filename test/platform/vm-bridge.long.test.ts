/** A machine with a network of its own (`--path bridge`), and that nothing of it is left. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { runCommand } from '../../cli/targets/command.ts';
import { freePort } from '../../cli/targets/port.ts';
import { Bridge, bridgeFault } from '../../cli/targets/vm/bridge.ts';
import { offeredPaths } from '../../cli/targets/vm/provider.ts';
import { vm } from '../../cli/targets/vm/vm.ts';
import { burst } from '../targets/burst.ts';
import { platformTest } from './require.ts';
import { lab } from './targets-harness.ts';
import { startUpOf } from './vm-harness.ts';

/** Address translations and interfaces of ours, of any deployment. */
function traces(): string[] {
  const rules = execFileSync('iptables', ['-w', '-t', 'nat', '-S'], { encoding: 'utf8' });
  return [
    ...rules.split('\n').filter((rule) => /10\.213\.| spbr/.test(rule)),
    ...readdirSync('/sys/class/net').filter((name) => /^sp(br|tap)/.test(name)),
  ];
}

function isImpossible(t: TestContext): boolean {
  const fault = bridgeFault();
  if (fault !== null) t.skip(fault.reason);
  return fault !== null;
}

platformTest('vm', 'a machine on a bridge: reached, read, stopped, started, gone', async (t) => {
  if (isImpossible(t)) return;
  assert.deepEqual(offeredPaths('qemu'), ['hostfwd', 'bridge']);
  const before = traces();
  const { deploy, assertNothingLeft } = lab(t, 'vm');
  const deployment = await deploy({ provider: 'qemu', path: 'bridge' });
  assert.equal(deployment.state.plan.path, 'bridge');
  await startUpOf(deployment);
  const { hostname, port } = new URL(deployment.url);
  assert.equal(hostname, '127.0.0.1');

  const meter = await deployment.meter();
  const first = await meter.read({ expensive: true });
  const replies = await burst(hostname, Number(port), { connections: 60, timeoutMs: 30_000 });
  const second = await meter.read({ expensive: true });
  await meter.close();
  assert.deepEqual(replies, Array(60).fill('HTTP/1.1 200 OK'));
  // each reply has some 600 bytes of head, and the packets of its connection
  const sent = Number(second.network.sentBytes) - Number(first.network.sentBytes);
  assert.ok(sent > 60 * 600 && sent < 60 * 6_000, `${sent} bytes on the wire`);

  await deployment.stop();
  await assert.rejects(fetch(deployment.url), 'its port refuses again');
  await deployment.restart();
  await startUpOf(deployment);
  assert.equal((await fetch(deployment.url)).status, 200);
  await deployment.destroy();
  assertNothingLeft();
  assert.deepEqual(traces(), before);
});

platformTest(
  'vm',
  'a port that was taken meanwhile is told, not hidden behind the bridge',
  async (t) => {
    if (isImpossible(t)) return;
    const before = traces();
    const { deploy, assertNothingLeft } = lab(t, 'vm');
    const port = await freePort();
    const thief = createServer();
    t.after(() => thief.close());
    const deployment = await deploy(
      { provider: 'qemu', path: 'bridge', port },
      { beforeStart: () => new Promise((resolve) => thief.listen(port, '127.0.0.1', resolve)) },
    );
    await assert.rejects(startUpOf(deployment), { code: 'PORT_IN_USE' });
    await deployment.destroy();
    assertNothingLeft();
    assert.deepEqual(traces(), before);
  },
);

platformTest('vm', 'a bridge that a crash left is swept', async (t) => {
  if (isImpossible(t)) return;
  const before = traces();
  const { progress } = lab(t, 'vm'); // a state folder of its own, which owns it
  const left = new Bridge(randomUUID().slice(0, 8), runCommand);
  const network = await left.create();
  t.after(() => left.remove());
  await left.open(network, 6_999);
  // two interfaces and two rules
  assert.equal(traces().length, before.length + 4);
  const { removed } = await vm.sweep(progress);
  assert.deepEqual(removed, [`network ${network.bridge}`]);
  assert.deepEqual(traces(), before);
});
