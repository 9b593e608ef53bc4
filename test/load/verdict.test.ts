import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatorHints, type VerdictInput, verdict } from '../../cli/load/verdict.ts';
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
  waitedShare: 0,
  stoodStillShare: Number.NaN,
  longestStopMs: Number.NaN,
  takesTurns: false,
  runsModule: false,
  errors: {},
  hostSteal: 0,
  hostBusy: 0.5,
  interrupted: false,
};

test('a generator that keeps its plan is not the limit', () => {
  assert.deepEqual(verdict(GOOD), { clientLimited: false, reasons: [], limiter: 'none' });
});

// 1 s in which 5 of 1,000 were due
const stopped = filled(...Array<number>(10).fill(5));
for (let lag = 200_000; lag <= 1_200_000; lag += 250_000) stopped.record(lag);

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
    [
      { errors: { EMFILE: 3 } },
      /^3 requests failed here with EMFILE: .* no more files$/,
      'generator',
    ],
    [{ errors: { EADDRNOTAVAIL: 1, HTTP_500: 2 } }, /with EADDRNOTAVAIL: no local/, 'generator'],
    [{ lag: stopped }, /send lag reached 1\d{3}\.\d\d ms: the generator stood still/, 'generator'],
    [
      { takenInTime: 980, hostBusy: 0.97, waitedShare: 0.3 },
      /only 98\.0 % of the planned requests/,
      'host',
    ],
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

const CLOSED: VerdictInput = {
  ...GOOD,
  loop: 'closed',
  lag: filled(0),
  stoodStillShare: 0,
  longestStopMs: 0,
};

test('a closed loop that could not run voids its result, however busy it was else', () => {
  const signs: Array<[Partial<VerdictInput>, RegExp]> = [
    [{ longestStopMs: 3000 }, /stood still for 3000\.00 ms at a stretch/],
    [{ stoodStillShare: 0.7, longestStopMs: 95 }, /without a CPU for 70\.0 % of the time/],
    [{ waitedShare: 0.45 }, /without a CPU for 45\.0 % of the time, above 25\.0 %/],
    [{ errors: { ENFILE: 1 } }, /ENFILE/],
  ];
  for (const [change, reason] of signs) {
    const { clientLimited, reasons, limiter } = verdict({ ...CLOSED, ...change });
    assert.deepEqual([clientLimited, limiter, reasons.length], [true, 'generator', 1]);
    assert.match(reasons[0]!, reason);
  }
});

test('a closed loop that is merely busy, or whose pauses are short, stands', () => {
  const busy = { cpuUtilization: 0.99, loopUtilization: 1, waitedShare: 0.1, longestStopMs: 400 };
  assert.deepEqual(verdict({ ...CLOSED, ...busy }).reasons, []);
  const unknown = {
    waitedShare: Number.NaN,
    stoodStillShare: Number.NaN,
    longestStopMs: Number.NaN,
  };
  assert.deepEqual(verdict({ ...CLOSED, ...unknown }).reasons, []);
});

test('on the only CPU generator and target take turns; a stop is one there too', () => {
  const turns = { takesTurns: true, waitedShare: 0.8 };
  assert.deepEqual(verdict({ ...CLOSED, ...turns }).reasons, []);
  assert.equal(verdict({ ...CLOSED, ...turns, longestStopMs: 1000 }).clientLimited, true);
});

test('a benchmark module may wait in its own thread', () => {
  const waits = { runsModule: true, waitedShare: 0.8 };
  assert.deepEqual(verdict({ ...CLOSED, ...waits }).reasons, []);
});

test('where all CPUs are busy and the generator had to wait for one the host is the limit', () => {
  const full = { hostBusy: 0.99, waitedShare: 0.1 };
  assert.equal(verdict({ ...CLOSED, ...full }).limiter, 'host');
  assert.equal(verdict({ ...CLOSED, ...full, waitedShare: 0.01 }).limiter, 'connection-cap');
  const behind = { answeredInTime: 500, service: filled(20_000, 600_000, 1_200_000) };
  assert.equal(verdict({ ...GOOD, ...behind, ...full }).limiter, 'host');
  assert.equal(verdict({ ...GOOD, ...full }).limiter, 'none');
});

test('requests still under way at the end of a short run are no sign of a target that falls behind', () => {
  // 100/s for 2 s, 150 ms each: 15 are under way when the time is over
  const counts = { ...COUNTS, planned: 200, sent: 200, answered: 200, sentOnWire: 200 };
  const short = { counts, durationMs: 2000, takenInTime: 200, service: filled(150_000) };
  assert.equal(verdict({ ...GOOD, ...short, answeredInTime: 185 }).limiter, 'none');
  assert.equal(verdict({ ...GOOD, ...short, answeredInTime: 150 }).limiter, 'target');
});

test('what to do about the generator’s own errors', () => {
  assert.deepEqual(generatorHints({ HTTP_500: 1, ECONNREFUSED: 2 }), []);
  assert.match(generatorHints({ EMFILE: 1 }).join(), /ulimit -n/);
});
