import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Arrivals,
  arrivalsOf,
  countBefore,
  operationPicker,
  type PlanInput,
  planDigest,
  planText,
  shareOf,
  timeOfCountUs,
} from '../../cli/load/plan.ts';
import { hash, Random } from '../../cli/load/random.ts';
import { INDEX_SCENARIO } from '../../cli/load/scenario.ts';

const PLAN: PlanInput = {
  loop: 'open',
  ratePerSecond: 100,
  arrival: 'constant',
  connections: 10,
  durationMs: 1000,
  warmupMs: 0,
  seed: 1,
  scenario: INDEX_SCENARIO,
};

function drain(arrivals: Arrivals, limit = 1_000_000): Array<[index: number, atUs: number]> {
  const all: Array<[number, number]> = [];
  for (; Number.isFinite(arrivals.atUs); arrivals.advance()) {
    all.push([arrivals.index, arrivals.atUs]);
    if (all.length > limit) throw new Error('the plan does not end');
  }
  return all;
}

/** All requests of a plan, from however many workers, in the plan's order. */
function merged(plan: PlanInput, workers: number): Array<[number, number]> {
  return Array.from({ length: workers }, (_, worker) => drain(arrivalsOf(plan, worker, workers)))
    .flat()
    .sort(([a], [b]) => a - b);
}

const rate = fc.oneof(
  fc.integer({ min: 1, max: 5000 }),
  fc.double({ min: 0.5, max: 5000, noNaN: true }),
);

test('request i of a constant plan is intended at i/R, and there are R·T of them', () => {
  assert.deepEqual(drain(arrivalsOf({ ...PLAN, ratePerSecond: 4 }, 0, 1)), [
    [0, 0],
    [1, 250_000],
    [2, 500_000],
    [3, 750_000],
  ]);
  fc.assert(
    fc.property(rate, fc.integer({ min: 1, max: 20 }), (perSecond, tenths) => {
      const all = drain(
        arrivalsOf({ ...PLAN, ratePerSecond: perSecond, durationMs: tenths * 100 }, 0, 1),
      );
      const exact = (perSecond * tenths) / 10;
      assert.equal(all.length, Math.ceil(exact - 1e-6));
      for (const [index, atUs] of all) assert.equal(atUs, (index * 1e6) / perSecond);
    }),
    { numRuns: 50 },
  );
});

test('whole rates over whole seconds give exactly R·T, decimal fractions included', () => {
  for (const perSecond of [0.1, 0.3, 1.1, 33.3, 100, 333, 999.9]) {
    assert.equal(
      drain(arrivalsOf({ ...PLAN, ratePerSecond: perSecond, durationMs: 10_000 }, 0, 1)).length,
      Math.round(perSecond * 10),
      `${perSecond}/s`,
    );
  }
});

const stages = fc.array(
  fc.record({
    durationMs: fc.integer({ min: 100, max: 2000 }),
    fromRate: fc.integer({ min: 0, max: 400 }),
    toRate: fc.integer({ min: 0, max: 400 }),
  }),
  { minLength: 1, maxLength: 4 },
);

test('workers share a plan: together they send it, each request once', () => {
  fc.assert(
    fc.property(
      fc.record({
        rate,
        arrival: fc.constantFrom('constant' as const, 'poisson' as const),
        workers: fc.integer({ min: 2, max: 5 }),
        seed: fc.nat(),
        stages: fc.option(stages, { nil: undefined }),
      }),
      ({ rate: ratePerSecond, arrival, workers, seed, stages: given }) => {
        const durationMs = given?.reduce((sum, stage) => sum + stage.durationMs, 0) ?? 500;
        const plan: PlanInput = {
          ...PLAN,
          ratePerSecond,
          arrival,
          seed,
          stages: given,
          durationMs,
        };
        const whole = merged(plan, 1);
        const shared = merged(plan, workers);
        assert.deepEqual(
          shared.map(([index]) => index),
          whole.map(([index]) => index),
        );
        shared.forEach(([, atUs], i) => {
          assert.ok(Math.abs(atUs - whole[i]![1]) < 1e-3, 'same time to a nanosecond');
        });
      },
    ),
    { numRuns: 60 },
  );
});

test('intended times rise, and at each of them the integrated rate is the index', () => {
  fc.assert(
    fc.property(stages, (given) => {
      const durationMs = given.reduce((sum, stage) => sum + stage.durationMs, 0);
      const all = drain(arrivalsOf({ ...PLAN, stages: given, durationMs }, 0, 1));
      assert.equal(all.length, countBefore(given, durationMs * 1000));
      let previous = -1;
      for (const [index, atUs] of all) {
        assert.ok(atUs >= previous);
        previous = atUs;
        let integrated = 0;
        let leftS = atUs / 1e6;
        for (const { durationMs: ms, fromRate, toRate } of given) {
          const s = Math.min(leftS, ms / 1000);
          integrated += fromRate * s + ((toRate - fromRate) / (ms / 1000)) * (s ** 2 / 2);
          leftS -= s;
        }
        assert.ok(Math.abs(integrated - index) < 1e-3, `${integrated} at request ${index}`);
      }
    }),
    { numRuns: 100 },
  );
});

test('a rate that never comes to the next request has no time for it', () => {
  assert.equal(timeOfCountUs([{ durationMs: 1000, fromRate: 1, toRate: 1 }], 5), Infinity);
  assert.equal(timeOfCountUs([{ durationMs: 1000, fromRate: 0, toRate: 0 }], 0), Infinity);
});

test('Poisson gaps have the mean and the spread of an exponential', () => {
  const plan: PlanInput = { ...PLAN, arrival: 'poisson', ratePerSecond: 1000, durationMs: 60_000 };
  const times = drain(arrivalsOf(plan, 0, 1)).map(([, atUs]) => atUs);
  const gaps = times.map((atUs, i) => atUs - (times[i - 1] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  // 60,000 gaps: the standard error of both is 0.4 %
  assert.ok(Math.abs(mean / 1000 - 1) < 0.02, `mean ${mean}`);
  assert.ok(Math.abs(deviation / mean - 1) < 0.03, `deviation ${deviation}`);
  const other = drain(arrivalsOf({ ...plan, seed: 2 }, 0, 1));
  assert.notEqual(other[0]![1], times[0]);
});

test('operations are picked by weight, the same for every worker', () => {
  const pick = operationPicker([5, 3, 2], 42);
  const counts = [0, 0, 0];
  for (let i = 0; i < 100_000; i++) counts[pick(i)]!++;
  [0.5, 0.3, 0.2].forEach((share, operation) => {
    assert.ok(Math.abs(counts[operation]! / 100_000 - share) < 0.01, `operation ${operation}`);
  });
  assert.equal(operationPicker([5, 3, 2], 42)(777), pick(777));
});

test('shares of the connections differ by at most one and sum to all of them', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 16 }),
      (all, workers) => {
        const shares = Array.from({ length: workers }, (_, worker) =>
          shareOf(all, worker, workers),
        );
        assert.equal(
          shares.reduce((sum, share) => sum + share, 0),
          all,
        );
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
      },
    ),
  );
});

test('the digest is that of the request stream: every part of it counts, the target does not', () => {
  const identity = (text: string) => text;
  const base = planDigest(PLAN, identity);
  const target = { url: 'http://other/', timeoutMs: 1 };
  assert.equal(planDigest({ ...PLAN, ...target }, identity), base);
  const changes: Array<Partial<PlanInput>> = [
    { loop: 'closed' },
    { ratePerSecond: 101 },
    { arrival: 'poisson' },
    { stages: [{ durationMs: 1, fromRate: 1, toRate: 1 }] },
    { connections: 11 },
    { durationMs: 1001 },
    { warmupMs: 1 },
    { seed: 2 },
    { scenario: { ...INDEX_SCENARIO, name: 'other' } },
  ];
  const texts = changes.map((change) => planText({ ...PLAN, ...change }));
  assert.equal(new Set([base, ...texts]).size, changes.length + 1);
});

test('hash and sequence are uniform enough to draw from', () => {
  const buckets = new Array(16).fill(0);
  for (let i = 0; i < 160_000; i++) buckets[hash(9, i) >>> 28]++;
  for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 500, `${count}`);
  const random = new Random(9);
  const values = Array.from({ length: 10_000 }, () => random.next());
  assert.ok(values.every((value) => value > 0 && value < 1));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(mean - 0.5) < 0.02);
  assert.notEqual(hash(1, 5), hash(1, 5 + 2 ** 32), 'indices beyond 32 bits differ');
});
