import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BalanceInput, hostBalance } from '../../cli/meters/balance.ts';
import { openHostMeter } from '../../cli/meters/host.ts';
import { isUnavailable, unavailable } from '../../cli/record/measured.ts';
import { hostReadingOf, readingOf } from './readings.ts';

/** 10 s of two CPUs, 15 s of them idle. */
function inputOf(changes: Partial<BalanceInput> = {}): BalanceInput {
  return {
    host: {
      start: hostReadingOf({ atMs: 1000, cpu: { idleMs: 5000, stealMs: 0, cpus: 2 } }),
      end: hostReadingOf({ atMs: 11_000, cpu: { idleMs: 20_000, stealMs: 0, cpus: 2 } }),
    },
    start: readingOf({ atMs: 1000 }),
    end: readingOf({ atMs: 11_000 }),
    attributedMs: 4000,
    ...changes,
  };
}

test('busy is what is left of the wall time of all CPUs', () => {
  assert.equal(hostBalance(inputOf()).hostBusyMs, 5000);
  assert.equal(hostBalance(inputOf()).hostUnattributedMs, 1000);
});

test('below zero by less than the uncertainty is zero; by more it stays and is seen', () => {
  const { hostBalanceUncertaintyMs: within } = hostBalance(inputOf());
  assert.equal(within, 30);
  assert.equal(hostBalance(inputOf({ attributedMs: 5030 })).hostUnattributedMs, 0);
  assert.equal(hostBalance(inputOf({ attributedMs: 5031 })).hostUnattributedMs, -31);
});

test('a target that is read from /proc, and read late, makes the balance less certain', () => {
  const { hostBalanceUncertaintyMs } = hostBalance(
    inputOf({
      start: readingOf({ atMs: 1002, cost: { cpuMs: 0, wallMs: 1 } }),
      end: readingOf({ atMs: 11_004, cpuStepMs: 40, cost: { cpuMs: 0, wallMs: 3 } }),
    }),
  );
  assert.equal(hostBalanceUncertaintyMs, 30 + 40 + (2 + 1 + 4 + 3) * 2);
});

test('stolen time is neither busy nor idle', () => {
  const input = inputOf();
  input.host!.end.cpu = { idleMs: 20_000, stealMs: 1000, cpus: 2 };
  const balance = hostBalance(input);
  assert.equal(balance.hostBusyMs, 4000);
  assert.equal(balance.stealMs, 1000);
  assert.equal(balance.stealShare, 0.05);
});

test('no balance over two numbers of CPUs, without a host, or without what was charged', () => {
  const input = inputOf();
  input.host!.end.cpu = { idleMs: 20_000, stealMs: 0, cpus: 1 };
  assert.match(JSON.stringify(hostBalance(input).hostUnattributedMs), /2 CPUs, then 1/);
  assert.deepEqual(
    hostBalance(inputOf({ host: null })).hostBusyMs,
    unavailable('the host was not read'),
  );
  const gone = unavailable('the cgroup is gone');
  assert.deepEqual(hostBalance(inputOf({ attributedMs: gone })).hostUnattributedMs, gone);
});

/** Short slices between sleeps: the work that sampling at ticks sees too seldom. */
async function workInSlices(cpuMs: number): Promise<void> {
  const used = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  for (const until = used() + cpuMs; used() < until; ) {
    const sliceEnd = performance.now() + 2;
    while (performance.now() < sliceEnd);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

test('on this host: busy holds what this process used, and no more than the CPUs had', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /proc here');
  const meter = openHostMeter(unavailable('not asked for'));
  t.after(() => meter.close());
  const start = meter.read();
  await workInSlices(600);
  const end = meter.read();
  const usedMs = end.harnessCpuMs - start.harnessCpuMs;
  const { hostBusyMs, hostUnattributedMs, hostBalanceUncertaintyMs } = hostBalance({
    host: { start, end },
    start: readingOf({ atMs: start.atMs }),
    end: readingOf({ atMs: end.atMs }),
    attributedMs: usedMs,
  });
  assert.ok(!isUnavailable(start.cpu) && !isUnavailable(hostBusyMs));
  assert.equal(hostBalanceUncertaintyMs, 30);
  const said = `${hostBusyMs} ms busy, ${usedMs} ms used`;
  assert.ok(hostBusyMs >= usedMs - 30, said);
  assert.ok(hostBusyMs <= (end.atMs - start.atMs) * start.cpu.cpus + 30, said);
  assert.ok((hostUnattributedMs as number) >= 0);
});
