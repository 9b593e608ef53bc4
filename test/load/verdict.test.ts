import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type VerdictInput, verdict } from '../../cli/load/verdict.ts';
import { Histogram } from '../../cli/stats/histogram.ts';

function filled(...values: number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value, 100);
  return histogram;
}

const COUNTS = {
  planned: 1000,
  sent: 1000,
  unsent: 0,
  answered: 1000,
  failed: 0,
  open: 0,
  warmupSent: 0,
  sentOnWire: 1000,
};

const GOOD: VerdictInput = {
  loop: 'open',
  durationMs: 10_000,
  connections: 64,
  counts: COUNTS,
  takenInTime: 1000,
  answeredInTime: 1000,
  queued: 0,
  lag: filled(5),
  service: filled(2000),
  wait: filled(0),
  loopUtilization: 0.1,
  cpuUtilization: 0.1,
  waitedForCpuMs: 0,
  hostSteal: 0,
  interrupted: false,
};

test('a generator that keeps its plan is not the limit', () => {
  assert.deepEqual(verdict(GOOD), { clientLimited: false, reasons: [], limiter: 'none' });
});

test('each sign of a limited generator voids the result, and is named', () => {
  const signs: Array<[Partial<VerdictInput>, RegExp, string]> = [
    [{ lag: filled(1500) }, /send lag p99 1\.50 ms is above 1\.00 ms$/, 'generator'],
    [
      { lag: filled(1500), waitedForCpuMs: 212 },
      /send lag p99 1\.50 ms is above 1\.00 ms; other programs had its CPU for 212 ms$/,
      'generator',
    ],
    [{ takenInTime: 980 }, /only 98\.0 % of the planned requests/, 'generator'],
    [{ loopUtilization: 0.81 }, /event loop utilisation 81\.0 %/, 'generator'],
    [{ cpuUtilization: 0.86 }, /used 86\.0 % of a CPU/, 'generator'],
    [{ hostSteal: 0.021 }, /host steal 2\.1 %/, 'host'],
  ];
  for (const [change, reason, limiter] of signs) {
    const judged = verdict({ ...GOOD, ...change });
    assert.equal(judged.clientLimited, true);
    assert.equal(judged.reasons.length, 1);
    assert.match(judged.reasons[0]!, reason);
    assert.equal(judged.limiter, limiter);
  }
});

test('lag is allowed to be 5 % of a slow service', () => {
  const slow = { service: filled(100_000) };
  assert.equal(verdict({ ...GOOD, ...slow, lag: filled(4900) }).clientLimited, false);
  assert.equal(verdict({ ...GOOD, ...slow, lag: filled(5100) }).clientLimited, true);
});

test('what cannot be known is no reason', () => {
  const unknown = { hostSteal: Number.NaN, cpuUtilization: Number.NaN };
  assert.equal(verdict({ ...GOOD, ...unknown }).clientLimited, false);
});

test('an interrupted run is not called late for what it did not get to', () => {
  assert.equal(verdict({ ...GOOD, takenInTime: 500, interrupted: true }).clientLimited, false);
});

test('a target that falls behind and queues is the limit', () => {
  const behind = { answeredInTime: 500, service: filled(20_000, 600_000, 1_200_000) };
  assert.equal(verdict({ ...GOOD, ...behind }).limiter, 'target');
});

test('a target with a steady answer, and requests that wait for a connection: the cap', () => {
  const capped = {
    answeredInTime: 500,
    queued: 900,
    wait: filled(500_000),
    service: filled(20_000),
  };
  assert.equal(verdict({ ...GOOD, ...capped }).limiter, 'connection-cap');
});

test('where nothing was answered the target is the limit, in both loops', () => {
  const nothing = { counts: { ...COUNTS, answered: 0, failed: 1000 }, service: new Histogram() };
  for (const loop of ['open', 'closed'] as const) {
    assert.equal(verdict({ ...GOOD, ...nothing, loop, answeredInTime: 0 }).limiter, 'target');
  }
});

test('a closed loop is limited by something always: target, connections or generator', () => {
  const closed: VerdictInput = { ...GOOD, loop: 'closed', lag: filled(0) };
  assert.equal(verdict({ ...closed, service: filled(1000, 9000, 9000) }).limiter, 'target');
  assert.equal(verdict({ ...closed, service: filled(20_000) }).limiter, 'connection-cap');
  const busy = verdict({ ...closed, cpuUtilization: 0.99, loopUtilization: 0.99 });
  assert.deepEqual([busy.limiter, busy.clientLimited], ['generator', false]);
});
