/**
 * Truth in a machine, twice: charged to the host (QEMU's process, its drives, the balloon), and
 * seen by the guest, which runs systemd and cgroup v2: the same v2 code, in its real place.
 *
 * Tolerances beyond those of meters.test.ts:
 * - host memory 15 %: the guest's kernel takes page tables and page cache from fresh memory too, and
 *   pages that it had used before are charged already.
 * - guest memory 6 %: the balloon tells of the whole guest, its services and page cache included.
 * - host CPU: the guest's clock runs on while the host gives the emulator no CPU, so the guest's own
 *   account is not the host's. Held against the scheduler's account of QEMU's threads (schedstat,
 *   another counter than the meter's, 2 % + 40 ms for the meter's 10 ms steps); and the guest can't have
 *   run for longer than its virtual CPU ran or waited (2 % + 50 ms).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Meter, MeterReading } from '../../cli/meters/meter.ts';
import { openMeter } from '../../cli/meters/open.ts';
import { parseKeyed, parseNetworkDevices } from '../../cli/meters/procfs.ts';
import { askQmp } from '../../cli/meters/qmp.ts';
import { isUnavailable, type Measured } from '../../cli/record/measured.ts';
import { type Artifact, nodeBinary } from '../../cli/targets/artifact.ts';
import { runCommand } from '../../cli/targets/command.ts';
import { sha256OfFile } from '../../cli/targets/file-hash.ts';
import { prepareArtifactDisk } from '../../cli/targets/vm/artifact-disk.ts';
import { boxFile, prepareBox } from '../../cli/targets/vm/box.ts';
import {
  GUEST_PORT,
  NETDEV,
  qemuArguments,
  ROOT_DRIVE,
} from '../../cli/targets/vm/qemu-command.ts';
import { measureTruth, SEND_BYTES, TOUCH_BYTES, WRITE_BYTES } from './meters-truth.ts';
import { platformTest } from './require.ts';

const GUEST_BUNDLE = fileURLToPath(new URL('meters-guest.ts', import.meta.url));
const BOOT_MS = 120_000;

platformTest('vm', 'a machine: host and guest say what was used', async (t) => {
  if (process.arch !== 'x64') return t.skip('the machine of this test is an amd64 one');
  const { url, pid, qmpSocket, folder } = await startMachine(t);
  // biome-ignore lint/suspicious/noExplicitAny: the consumer's answers, one shape per action
  const ask = async (path: string): Promise<any> => (await fetch(new URL(path, url))).json();

  await t.test('charged to the host: QEMU, its drives, its balloon', async (t) => {
    const meter = await openMeter({
      kind: 'qemu',
      pid,
      qmpSocket,
      drives: [ROOT_DRIVE],
      filesPath: folder,
      guestSync: async () => void (await ask('sync')),
      guestProbe: async () => {
        const { meminfo, networkDevices } = await ask('proc');
        const memory = parseKeyed(meminfo);
        const devices = [...parseNetworkDevices(networkDevices).values()];
        return {
          memoryTotalBytes: memory.get('MemTotal')! * 1024,
          memoryAvailableBytes: memory.get('MemAvailable')! * 1024,
          networkReceivedBytes: devices.reduce((sum, each) => sum + each.receivedBytes, 0),
          networkSentBytes: devices.reduce((sum, each) => sum + each.sentBytes, 0),
          source: 'the consumer, from /proc',
        };
      },
    });
    t.after(() => meter.close());
    const { used, own, scheduled } = await burn(meter, pid, ask);
    near('host CPU', used, scheduled.runMs, 0.02 * scheduled.runMs + 40);
    assert.ok(
      own <= 1.02 * (scheduled.virtualRunMs + scheduled.virtualWaitMs) + 50,
      `the guest says ${own} ms, its CPU had ${JSON.stringify(scheduled)}`,
    );
    const truth = await measureTruth(url, meter);
    near('host memory', truth.touched.workingSet, TOUCH_BYTES, 0.15 * TOUCH_BYTES);
    near('guest memory', truth.guestTouched, TOUCH_BYTES, 0.06 * TOUCH_BYTES);
    near('written and synced', truth.writtenSynced, WRITE_BYTES, 0.01 * WRITE_BYTES);
    near('written, not synced', truth.writtenBuffered, WRITE_BYTES, 0.01 * WRITE_BYTES);
    near('sent', truth.sent, SEND_BYTES, 0.05 * SEND_BYTES);
    near('received', truth.received, SEND_BYTES, 0.05 * SEND_BYTES);
    assert.ok(truth.readCostMs < 10, `a reading costs ${truth.readCostMs} ms`);
    const { memory } = await meter.read();
    assert.ok(
      (memory.workingSetBytes as number) > (memory.guestUsedBytes as number),
      'the host is charged more than the guest uses',
    );
  });

  await t.test('seen by the guest: cgroup v2, read by the same code', async () => {
    const inside: Meter = {
      read: async ({ expensive = false } = {}): Promise<MeterReading> =>
        (await ask(`reading?expensive=${expensive ? 1 : 0}`)).reading,
      settle: async (): Promise<Measured<number>> => (await ask('settle')).settled,
      close: async () => {},
    };
    const { sources } = await inside.read();
    assert.match(sources['memory']!, /^cgroup v2 \/sys\/fs\/cgroup\/.*scratchpad\.service/);
    const truth = await measureTruth(url, inside);
    near('working set', truth.touched.workingSet, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
    near('unreclaimable', truth.touched.unreclaimable, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
    near('PSS', truth.touched.pss, TOUCH_BYTES, 0.02 * TOUCH_BYTES);
    // Emulated, a request costs tens of ms: the process's own account is taken with each reading.
    const before = await ask('reading?expensive=0');
    await ask('burn?ms=2000');
    const after = await ask('reading?expensive=0');
    const own = after.processCpuMs - before.processCpuMs;
    assert.ok(own >= 2000);
    near('CPU', after.reading.cpu.totalMs - before.reading.cpu.totalMs, own, 0.01 * own + 30);
    near('written and synced', truth.writtenSynced, WRITE_BYTES, 0.01 * WRITE_BYTES);
    near('written, not synced', truth.writtenBuffered, WRITE_BYTES, 0.01 * WRITE_BYTES);
  });
});

function near(what: string, actual: Measured<number>, expected: number, within: number): void {
  if (isUnavailable(actual)) assert.fail(`${what}: ${actual.unavailable}`);
  assert.ok(
    Math.abs(actual - expected) <= within,
    `${what}: ${actual} is not within ${within} of ${expected}`,
  );
}

interface Scheduled {
  /** All of QEMU's threads. */
  runMs: number;
  /** The virtual CPU alone: ran, and was ready to run but did not. */
  virtualRunMs: number;
  virtualWaitMs: number;
}

/** 2 s of the guest's CPU: by the host's meter, by the guest, and by the host's scheduler. */
async function burn(
  meter: Meter,
  pid: number,
  ask: (path: string) => Promise<{ cpuMs: number }>,
): Promise<{ used: number; own: number; scheduled: Scheduled }> {
  await ask('burn?ms=50');
  const from = scheduledOf(pid);
  const before = await meter.read();
  const { cpuMs: own } = await ask('burn?ms=2000');
  const after = await meter.read();
  const to = scheduledOf(pid);
  return {
    used: (after.cpu.totalMs as number) - (before.cpu.totalMs as number),
    own,
    scheduled: {
      runMs: to.runMs - from.runMs,
      virtualRunMs: to.virtualRunMs - from.virtualRunMs,
      virtualWaitMs: to.virtualWaitMs - from.virtualWaitMs,
    },
  };
}

/** Since each thread's start; QEMU's worker threads live on for seconds, so none is missed. */
function scheduledOf(pid: number): Scheduled {
  const sum: Scheduled = { runMs: 0, virtualRunMs: 0, virtualWaitMs: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    const [runNs, waitNs] = readFileSync(`${folder}/schedstat`, 'latin1').split(' ').map(Number);
    sum.runMs += runNs! / 1e6;
    if (!readFileSync(`${folder}/comm`, 'latin1').startsWith('CPU ')) continue;
    sum.virtualRunMs += runNs! / 1e6;
    sum.virtualWaitMs += waitNs! / 1e6;
  }
  return sum;
}

/** The box of the VM target with the consumer where the workload would be. */
async function startMachine(t: TestContext) {
  const folder = mkdtempSync(join(process.cwd(), '.meters-vm-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const quiet = { step: () => {}, warn: () => {} };
  const signal = AbortSignal.timeout(600_000);
  const box = await prepareBox({
    architecture: 'amd64',
    run: runCommand,
    progress: quiet,
    signal,
  });
  const disk = await prepareArtifactDisk({
    artifact: await guestArtifact(join(folder, 'workload')),
    node: await nodeBinary(),
    run: runCommand,
    signal,
  });
  t.after(() => {
    rmSync(disk.path, { force: true });
    rmSync(`${disk.path}.sha256`, { force: true });
  });
  const overlay = join(folder, 'root.qcow2');
  const root = boxFile(box, 'root.qcow2');
  await runCommand(
    'qemu-img',
    ['create', '-q', '-f', 'qcow2', '-b', root, '-F', 'qcow2', overlay],
    { signal },
  );
  const qmpSocket = join(folder, 'meter.sock');
  const controlSocket = join(folder, 'control.sock');
  const hostPort = await freePort();
  const [, ...rest] = qemuArguments({
    name: 'meters-truth',
    emulator: 'qemu-system-x86_64',
    architecture: 'amd64',
    acceleration: 'tcg',
    cpus: 1,
    memoryBytes: 2 ** 30,
    kernel: boxFile(box, 'vmlinux'),
    initrd: boxFile(box, 'initrd.img'),
    overlay,
    artifactDisk: disk.path,
    parameters: ['scratchpad.env.NODE_ENV=production'],
    consoleLog: join(folder, 'console.log'),
    controlSocket,
    meterSocket: qmpSocket,
  });
  const machine = spawn(
    'qemu-system-x86_64',
    ['-name', 'meters-truth,debug-threads=on', ...rest.slice(1)],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => machine.once('exit', () => resolve()));
  t.after(async () => {
    machine.kill('SIGKILL');
    await ended;
  });
  const url = `http://127.0.0.1:${hostPort}/`;
  const gaveUp = performance.now() + BOOT_MS;
  const until = async <T>(attempt: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (performance.now() < gaveUp && machine.exitCode === null) continue;
        const log = readFileSync(join(folder, 'console.log'), 'latin1');
        throw new Error(`the machine did not come up:\n${log.slice(-2000)}`, { cause: error });
      }
    }
  };
  const forward = `hostfwd_add ${NETDEV} tcp:127.0.0.1:${hostPort}-:${GUEST_PORT}`;
  const monitorCommand = {
    execute: 'human-monitor-command',
    arguments: { 'command-line': forward },
  };
  await until(() => askQmp(controlSocket, [monitorCommand]));
  // QEMU accepts for the guest: only an answer proves that it is up.
  await until(() => fetch(new URL('ready', url), { signal: AbortSignal.timeout(2_000) }));
  return { url, pid: machine.pid!, qmpSocket, folder };
}

/** Laid out as the one artifact is: the guest starts `workload/server.mjs`. */
async function guestArtifact(folder: string): Promise<Artifact> {
  mkdirSync(folder);
  const entry = join(folder, 'server.mjs');
  await build({
    entryPoints: [GUEST_BUNDLE],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const sha256 = await sha256OfFile(entry);
  const bytes = readFileSync(entry).length;
  return {
    folder,
    entry: 'server.mjs',
    entries: { node: 'server.mjs', deno: 'deno.mjs', bun: 'bun.mjs' },
    sha256,
    files: { 'server.mjs': { sha256, bytes } },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
