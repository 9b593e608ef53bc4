import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isScratchpadError } from '../../cli/errors.ts';
import { cgroupParts } from '../../cli/meters/cgroup-parts.ts';
import { composeMeter } from '../../cli/meters/compose.ts';
import { HelperReader } from '../../cli/meters/helpers.ts';
import { noNetwork } from '../../cli/meters/network.ts';
import { openMeter } from '../../cli/meters/open.ts';
import { RisingSum } from '../../cli/meters/parts.ts';
import {
  allProcesses,
  cgroupProcesses,
  ProcessFiles,
  processTrees,
} from '../../cli/meters/processes.ts';
import { isUnavailable } from '../../cli/record/measured.ts';

const options = { skip: process.platform === 'linux' ? false : 'no /proc here' };

/** A child that runs until its standard input is closed, with what it printed first. */
async function child(
  t: TestContext,
  script: string,
): Promise<{ process: ChildProcess; said: string }> {
  const started = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => started.kill('SIGKILL'));
  const [said] = await once(started.stdout!, 'data');
  return { process: started, said: String(said).trim() };
}

async function end(process: ChildProcess): Promise<void> {
  const exit = once(process, 'exit');
  process.kill('SIGKILL');
  await exit;
}

test('a tree holds the descendants, whichever way the kernel lists them', options, async (t) => {
  const { process: parent, said } = await child(t, 'sleep 30 & echo $!; read x; kill $!');
  const grandchild = Number(said);
  const pids = processTrees([parent.pid!]).pids();
  assert.deepEqual(new Set(pids), new Set([parent.pid, grandchild]));
  assert.equal(allProcesses().find(({ pid }) => pid === grandchild)?.parentPid, parent.pid);
  parent.stdin!.end('\n');
  await once(parent, 'exit');
});

test('an ended process has no figures, and its files never show another', options, async (t) => {
  const { process: started } = await child(t, 'echo up; read x');
  const files = new ProcessFiles(started.pid!);
  t.after(() => files.close());
  assert.equal(files.stat()?.pid, started.pid);
  await end(started);
  assert.equal(files.stat(), undefined);
  assert.match((files.io() as { unavailable: string }).unavailable, /does not exist|is gone/);
});

test('a helper that ends keeps its CPU and is told of', options, async (t) => {
  const { process: started } = await child(
    t,
    // Some CPU of its own: a shell that counts.
    'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo up; read x',
  );
  const helpers = new HelperReader([{ name: 'proxy', pid: started.pid! }]);
  t.after(() => helpers.close());
  const before = helpers.read({ expensive: true });
  assert.ok(before.userMs + before.systemMs > 0);
  assert.ok(before.anonymousBytes > 0);
  assert.ok((before.pssBytes as number) > 0);
  await end(started);
  const after = helpers.read({ expensive: true });
  assert.equal(after.userMs + after.systemMs, before.userMs + before.systemMs);
  assert.equal(after.anonymousBytes, 0);
  assert.ok(isUnavailable(after.list[0]!.rssBytes));
  assert.deepEqual(after.notes, [
    `proxy (pid ${started.pid}) has ended: its last CPU figures are kept`,
  ]);
});

test('helpers are charged, daemons are listed and not charged', options, async (t) => {
  const { process: target } = await child(t, 'echo up; read x');
  const busy = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo up; read x';
  const [{ process: helper }, { process: daemon }] = await Promise.all([
    child(t, busy),
    child(t, busy),
  ]);
  const meter = await openMeter({
    kind: 'process-tree',
    rootPid: target.pid!,
    helpers: [{ name: 'tunnel', pid: helper.pid! }],
    daemons: [{ name: 'dockerd', pid: daemon.pid! }],
  });
  t.after(() => meter.close());
  const alone = await openMeter({ kind: 'process-tree', rootPid: target.pid! });
  t.after(() => alone.close());
  const [charged, own] = [await meter.read(), await alone.read()];
  const [tunnel] = charged.helpers;
  assert.equal(charged.cpu.totalMs, (own.cpu.totalMs as number) + (tunnel!.cpuMs as number));
  assert.ok((charged.daemons![0]!.cpuMs as number) > 0);
  assert.equal(
    charged.memory.workingSetBytes,
    (own.memory.workingSetBytes as number) + (charged.memory.helperBytes as number),
  );
  assert.match(charged.sources['cpu']!, /\+ tunnel/);
  assert.deepEqual(new Set(meter.pids!()), new Set([target.pid, helper.pid]));
});

test('children that have ended stay counted with their parent', options, async (t) => {
  const { process: parent } = await child(
    t,
    'sh -c "i=0; while [ \\$i -lt 60000 ]; do i=\\$((i+1)); done"; echo up; read x',
  );
  const meter = await openMeter({ kind: 'process-tree', rootPid: parent.pid! });
  t.after(() => meter.close());
  const { cpu } = await meter.read();
  assert.ok((cpu.totalMs as number) >= 10, JSON.stringify(cpu));
});

test('a meter over a process that has ended is refused with what to do', options, async (t) => {
  const { process: started } = await child(t, 'echo up; read x');
  await end(started);
  for (const spec of [
    { kind: 'process-tree', rootPid: started.pid! },
    { kind: 'cgroup', ofPid: started.pid! },
    { kind: 'qemu', pid: started.pid! },
  ] as const) {
    await assert.rejects(openMeter(spec), (error) => {
      assert.ok(isScratchpadError(error));
      assert.equal(error.code, 'TARGET_DIED');
      return true;
    });
  }
});

test('a cgroup that does not exist gives reasons in every group', async (t) => {
  for (const spec of [
    { kind: 'cgroup', v2: { folder: '/sys/fs/cgroup/none-of-ours' } },
    {
      kind: 'cgroup',
      v1: { memory: '/sys/fs/cgroup/memory/none', cpuacct: '/sys/fs/cgroup/cpuacct/none' },
    },
    { kind: 'cgroup' },
  ] as const) {
    const meter = await openMeter(spec);
    t.after(() => meter.close());
    const reading = await meter.read({ expensive: true });
    for (const figure of [
      ...Object.values({ ...reading.memory, helperBytes: undefined }),
      ...Object.values(reading.cpu),
      ...Object.values(reading.disk),
    ])
      assert.ok(figure === undefined || isUnavailable(figure), JSON.stringify(reading));
  }
});

/** A folder with the files of a cgroup v2 that holds this very process. */
function cgroupFolder(t: TestContext): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'scratchpad-cgroup-')), 'group');
  t.after(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
  mkdirSync(folder);
  const files = {
    'cgroup.procs': `${process.pid}\n`,
    'memory.current': '8192\n',
    'memory.stat': 'anon 4096\nshmem 0\nkernel 0\ninactive_file 0\n',
    'memory.peak': '9000\n',
    'cpu.stat': 'usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nthrottled_usec 0\n',
    'io.stat': '',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test('a cgroup has ended once nobody is in it or it is gone, and not where it does not say', (t) => {
  const folder = cgroupFolder(t);
  const set = cgroupProcesses(folder);
  t.after(() => set.close());
  assert.equal(set.ended(), false);
  writeFileSync(join(folder, 'cgroup.procs'), '');
  assert.equal(set.ended(), true);
  rmSync(join(folder, 'cgroup.procs'));
  assert.equal(cgroupProcesses(folder).ended(), false, 'the file is not there: it tells nothing');
  const gone = cgroupProcesses(folder);
  rmSync(folder, { recursive: true });
  assert.equal(gone.ended(), true);
});

test('a cgroup that outlives its processes gives reasons, not counters that stand still', async (t) => {
  const folder = cgroupFolder(t);
  const meter = composeMeter({
    ...cgroupParts({ v2: { folder } }, undefined),
    network: noNetwork('loopback is shared'),
  });
  t.after(() => meter.close());
  const alive = await meter.read();
  assert.equal(alive.cpu.totalMs, 5);
  assert.equal(alive.memory.workingSetBytes, 8192);
  writeFileSync(join(folder, 'cgroup.procs'), '');
  const dead = await meter.read();
  const why = { unavailable: 'all of its processes have ended' };
  assert.deepEqual(dead.cpu, { totalMs: why, userMs: why, systemMs: why, throttledMs: why });
  assert.deepEqual(dead.memory.workingSetBytes, why);
  assert.deepEqual(dead.disk.writtenBytes, why);
  // what has a reason of its own keeps it
  assert.deepEqual(dead.network.sentBytes, { unavailable: 'loopback is shared' });
});

test('a tree has ended with its root', options, async (t) => {
  const { process: started } = await child(t, 'echo up; read x');
  const tree = processTrees([started.pid!]);
  assert.equal(tree.ended(), false);
  await end(started);
  assert.equal(tree.ended(), true);
});

test('a sum that falls is kept at its highest', () => {
  const sum = new RisingSum();
  assert.deepEqual(
    [5, 9, 4, 10].map((value) => sum.next(value)),
    [5, 9, 9, 10],
  );
});
