/**
 * Truth tests: a consumer that uses known amounts, in each target, against the meter.
 *
 * Tolerances, and why they are no smaller:
 * - memory 2 %: V8 frees or grows a few MB of its own heap between two readings, and v1 charges in
 *   batches of 64 pages per CPU.
 * - CPU 1 % + 30 ms: the request that asks for the work and the two readings' own 10 ms steps.
 * - disk 1 %: metadata of the file system comes on top of the data.
 * - network 3 %: headers of TCP, IP and HTTP, and acknowledgements, come on top of the payload.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import type { Meter } from '../../cli/meters/meter.ts';
import { openMeter } from '../../cli/meters/open.ts';
import { startSampler } from '../../cli/meters/sampler.ts';
import type { MeterSpec } from '../../cli/meters/spec.ts';
import { isUnavailable, type Measured } from '../../cli/record/measured.ts';
import {
  folderOnDisk,
  importImage,
  startBare,
  startContainer,
  startInCgroup,
} from './meters-subjects.ts';
import {
  BURN_MS,
  measureTruth,
  SEND_BYTES,
  TOUCH_BYTES,
  type Truth,
  WRITE_BYTES,
} from './meters-truth.ts';
import { platformTest } from './require.ts';

async function meterOf(t: TestContext, spec: MeterSpec): Promise<Meter> {
  const meter = await openMeter(spec);
  t.after(() => meter.close());
  return meter;
}

function near(what: string, actual: Measured<number>, expected: number, within: number): void {
  if (isUnavailable(actual)) assert.fail(`${what}: ${actual.unavailable}`);
  assert.ok(
    Math.abs(actual - expected) <= within,
    `${what}: ${actual} is not within ${within} of ${expected}`,
  );
}

function assertMemory({ touched }: Truth): void {
  near('working set', touched.workingSet, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
}

/**
 * 1 %, and 120 ms for what runs in the cgroup beside the burner: its own start, the shim, helpers. On
 * a busy host 60 ms of that were seen. A wrong unit or a forgotten core would be off by 100 % and more.
 */
function assertCpu({ burned }: Truth): void {
  near('CPU', burned.total, burned.own, 0.01 * BURN_MS + 120);
  near('user + system', burned.userAndSystem, burned.own, 0.01 * BURN_MS + 120);
}

function assertDisk({ writtenSynced, writtenBuffered }: Truth): void {
  near('written and synced', writtenSynced, WRITE_BYTES, 0.01 * WRITE_BYTES);
  near('written, not synced', writtenBuffered, WRITE_BYTES, 0.01 * WRITE_BYTES);
}

/** At one reading a second. */
function assertCheap({ readCostMs }: Truth): void {
  assert.ok(readCostMs < 10, `a reading costs ${readCostMs} ms of CPU: more than 1 % of one`);
}

platformTest('cgroup', 'bare in its own cgroup: the meter says what was used', async (t) => {
  const folder = folderOnDisk(t);
  const { url, cgroup } = await startInCgroup(t, folder);
  const meter = await meterOf(t, {
    kind: 'cgroup',
    ...(cgroup.version === 1
      ? { v1: cgroup.folders }
      : { v2: { folder: cgroup.folders.unified! } }),
    filesPath: folder,
  });
  const truth = await measureTruth(url, meter);
  assertMemory(truth);
  near('unreclaimable', truth.touched.unreclaimable, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
  near('PSS', truth.touched.pss, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
  assertCpu(truth);
  assertDisk(truth);
  assertCheap(truth);
  assert.match(JSON.stringify(truth.sent), /no byte count per process on loopback/);
});

test('bare without a cgroup: the process tree says what was used', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /proc here');
  const folder = folderOnDisk(t);
  const { url, pid } = await startBare(t, folder);
  const meter = await meterOf(t, { kind: 'process-tree', rootPid: pid, filesPath: folder });
  const truth = await measureTruth(url, meter);
  assertMemory(truth);
  near('PSS', truth.touched.pss, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
  assertCpu(truth);
  assertDisk(truth);
  assertCheap(truth);
});

platformTest('docker', 'a container: cgroup and engine API say what was used', async (t) => {
  const image = await importImage(t);

  await t.test('read from its cgroup and network namespace', async (t) => {
    const { id, url } = await startContainer(t, image);
    const meter = await meterOf(t, { kind: 'docker', containerId: id, local: true });
    const truth = await measureTruth(url, meter);
    assertMemory(truth);
    assertCpu(truth);
    assertDisk(truth);
    assertCheap(truth);
    near('sent', truth.sent, SEND_BYTES, 0.03 * SEND_BYTES);
    near('received', truth.received, SEND_BYTES, 0.03 * SEND_BYTES);
    const { helpers, daemons = [] } = await meter.read();
    assert.ok(helpers.some(({ name }) => name.startsWith('containerd-shim')));
    assert.ok(daemons.some(({ name }) => name === 'dockerd'));
    assert.ok(!helpers.some(({ name }) => name === 'dockerd'), 'the daemon is not charged');
  });

  await t.test('read from the engine, as on macOS or with a remote engine', async (t) => {
    const { id, url } = await startContainer(t, image);
    const meter = await meterOf(t, { kind: 'docker', containerId: id, local: false });
    const truth = await measureTruth(url, meter);
    assertMemory(truth);
    assertCpu(truth);
    near('sent', truth.sent, SEND_BYTES, 0.03 * SEND_BYTES);
    near('received', truth.received, SEND_BYTES, 0.03 * SEND_BYTES);

    // The same container through its cgroup, which is there to be read here: both agree.
    const local = await meterOf(t, { kind: 'docker', containerId: id, local: true });
    const [engine, cgroup] = [await meter.read(), await local.read()];
    assert.match(engine.sources['memory']!, /engine API/);
    assert.match(cgroup.sources['memory']!, /cgroup/);
    const helpersMs = cgroup.helpers.reduce((sum, { cpuMs }) => sum + (cpuMs as number), 0);
    const cpuMs = (cgroup.cpu.totalMs as number) - helpersMs;
    near('CPU', engine.cpu.totalMs, cpuMs, 0.01 * cpuMs + 60);
    const memory =
      (cgroup.memory.workingSetBytes as number) - (cgroup.memory.helperBytes as number);
    near('working set', engine.memory.workingSetBytes, memory, 2 * 2 ** 20);
    for (const way of ['receivedBytes', 'sentBytes'] as const) {
      const bytes = cgroup.network[way] as number;
      near(way, engine.network[way], bytes, 0.01 * bytes);
    }
    assert.ok(isUnavailable(engine.memory.pssBytes), 'what the engine has not is no number');
    assert.match(engine.notes!.join(), /the engine is not on this host/);
    assert.match(meter.elsewhere!, /the engine is not on this host/);
    assert.equal(local.elsewhere, undefined);
  });

  await t.test('agrees with docker stats, which leaves out the helpers', async (t) => {
    const { id, url } = await startContainer(t, image);
    await fetch(new URL('touch?bytes=150000000', url));
    const meter = await meterOf(t, { kind: 'docker', containerId: id, local: true });
    const { memory } = await meter.read();
    const said = execFileSync('docker', ['stats', '--no-stream', '--format', '{{.MemUsage}}', id], {
      encoding: 'utf8',
    });
    const mebibytes = Number(/^([\d.]+)MiB/.exec(said)?.[1]);
    const own = (memory.workingSetBytes as number) - (memory.helperBytes as number);
    near('working set without helpers', own, mebibytes * 2 ** 20, 2 * 2 ** 20);
  });

  await t.test('a container that is killed leaves reasons and not zeros', async (t) => {
    const { id } = await startContainer(t, image);
    const meter = await meterOf(t, { kind: 'docker', containerId: id, local: true });
    const before = await meter.read();
    assert.ok((before.cpu.totalMs as number) > 0);
    execFileSync('docker', ['kill', id]);
    execFileSync('docker', ['wait', id]);
    const after = await meter.read({ expensive: true });
    const { cpu, memory, disk, network } = after;
    for (const figure of [
      cpu.totalMs,
      memory.workingSetBytes,
      disk.readBytes,
      network.sentBytes,
      network.receivedBytes,
    ])
      assert.ok(isUnavailable(figure), JSON.stringify(after));
  });
});

test('a process that is killed under the sampler: the series ends in reasons, nothing throws', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /proc here');
  const { pid, child } = await startBare(t, folderOnDisk(t));
  const meter = await meterOf(t, { kind: 'process-tree', rootPid: pid });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let seen = 0;
  await new Promise<void>((resolve) => {
    const sampler = startSampler(meter, {
      intervalMs: 20,
      onSample({ cpu }) {
        seen += 1;
        if (seen === 3) child.kill('SIGKILL');
        if (isUnavailable(cpu.totalMs)) resolve(void sampler.stop());
      },
    });
    // The sampler's timer does not hold the process; the child's pipe does until it has ended.
    void ended.then(() => setTimeout(resolve, 1_000));
  });
  const last = await meter.read();
  assert.deepEqual(last.cpu.totalMs, { unavailable: 'all of its processes have ended' });
  assert.deepEqual(last.memory.workingSetBytes, { unavailable: 'all of its processes have ended' });
});

platformTest('cgroup', 'a CPU ceiling shows as throttled time and not as CPU time', async (t) => {
  const { url, cgroup } = await startInCgroup(t, folderOnDisk(t), 0.2);
  const meter = await meterOf(t, {
    kind: 'cgroup',
    ...(cgroup.version === 1
      ? { v1: cgroup.folders }
      : { v2: { folder: cgroup.folders.unified! } }),
  });
  const before = await meter.read();
  const startMs = performance.now();
  const { cpuMs } = (await (await fetch(new URL('burn?ms=300', url))).json()) as { cpuMs: number };
  const wallMs = performance.now() - startMs;
  const { cpu } = await meter.read();
  near('CPU', cpu.totalMs, (before.cpu.totalMs as number) + cpuMs, 40);
  const throttledMs = (cpu.throttledMs as number) - (before.cpu.throttledMs as number);
  // 300 ms at 20 ms in each 100 ms: the rest of the time is waited, for the ceiling or, on a busy
  // host, for others. Without a ceiling it is none.
  assert.ok(throttledMs > 0.2 * (wallMs - cpuMs), `${throttledMs} ms of ${wallMs} ms throttled`);
  assert.ok(throttledMs < 2 * wallMs, 'summed over two CPUs at most');
});
