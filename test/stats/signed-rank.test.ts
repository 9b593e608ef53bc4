import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hodgesLehmann, walshAverages } from '../../cli/stats/hodges-lehmann.ts';
import {
  signedRankDistribution,
  signedRankInterval,
  signedRankOrder,
  signedRankTest,
} from '../../cli/stats/signed-rank.ts';

/** Hollander & Wolfe, Nonparametric Statistical Methods, Table 3.1: Hamilton depression scale. */
const hamilton = [-0.952, 0.147, -1.022, -0.43, -0.62, -0.59, -0.49, 0.08, -0.01];
/** Darwin's maize, cross- minus self-fertilised, in eighths of an inch (Fisher 1935, § 17). */
const maize = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48];

/** The test from its definition: every way to put signs on the ranks, counted. */
function byEnumeration(differences: number[]): { pLess: number; pGreater: number } {
  const used = differences.filter((d) => d !== 0);
  const ranks = used.map((d) => {
    const below = used.filter((e) => Math.abs(e) < Math.abs(d)).length;
    const equal = used.filter((e) => Math.abs(e) === Math.abs(d)).length;
    return below + (equal + 1) / 2;
  });
  const observed = ranks.reduce((sum, rank, i) => (used[i]! > 0 ? sum + rank : sum), 0);
  let less = 0;
  let greater = 0;
  for (let signs = 0; signs < 2 ** used.length; signs++) {
    const sum = ranks.reduce((total, rank, i) => ((signs >> i) & 1 ? total + rank : total), 0);
    if (sum <= observed) less++;
    if (sum >= observed) greater++;
  }
  return { pLess: less / 2 ** used.length, pGreater: greater / 2 ** used.length };
}

describe('the signed-rank test', () => {
  it("agrees with Hollander & Wolfe's example 3.1: T+ = 5, one-sided p = 0.020", () => {
    const test = signedRankTest(hamilton);
    assert.equal(test.statistic, 5);
    assert.equal(test.pLess, 10 / 512);
    assert.equal(test.pTwoSided, 20 / 512);
  });

  it("agrees with R's exact two-sided p for Darwin's maize, 0.04126", () => {
    const test = signedRankTest(maize);
    assert.equal(test.statistic, 96);
    assert.ok(Math.abs(test.pTwoSided - 0.04126) < 5e-6, String(test.pTwoSided));
  });

  it('agrees with the count over all sign patterns, ties and zeros included', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 10 }), (differences) => {
        const test = signedRankTest(differences);
        const expected = byEnumeration(differences);
        assert.ok(Math.abs(test.pLess - expected.pLess) < 1e-12);
        assert.ok(Math.abs(test.pGreater - expected.pGreater) < 1e-12);
      }),
      { seed: 20260101, numRuns: 200 },
    );
  });

  it('has a null distribution that sums to 1 and is symmetrical, also for 100 rounds', () => {
    for (const n of [1, 2, 6, 12, 100]) {
      const distribution = signedRankDistribution(n);
      const total = distribution.reduce((sum, p) => sum + p, 0);
      assert.ok(Math.abs(total - 1) < 1e-12);
      assert.equal(distribution.length, (n * (n + 1)) / 2 + 1);
      assert.deepEqual(distribution, distribution.toReversed());
    }
  });

  it('finds nothing where all differences are zero', () => {
    assert.equal(signedRankTest([0, 0, 0, 0, 0, 0]).pTwoSided, 1);
    assert.equal(signedRankTest([]).pTwoSided, 1);
  });
});

describe('the interval of sorted Walsh averages', () => {
  it('takes k = 1, 4, 9, 14 for 95 % of 6, 8, 10, 12 rounds', () => {
    const found = [6, 8, 10, 12].map((n) => signedRankOrder(n, 0.95).k);
    assert.deepEqual(found, [1, 4, 9, 14]);
  });

  it('says what it really holds: 96.9 % at 6 rounds', () => {
    assert.equal(signedRankOrder(6, 0.95).confidence, 1 - 2 / 64);
  });

  it('does not exist for 95 % of 5 rounds nor for 90 % of 4', () => {
    assert.equal(signedRankInterval([1, 2, 3, 4, 5], 0.95), null);
    assert.equal(signedRankInterval([1, 2, 3, 4], 0.9), null);
    assert.notEqual(signedRankInterval([1, 2, 3, 4, 5], 0.9), null);
  });

  it("agrees with Hollander & Wolfe's examples 3.3 and 3.4: −0.46 in [−0.786, −0.010]", () => {
    assert.ok(Math.abs(hodgesLehmann(hamilton) - -0.46) < 1e-9);
    const interval = signedRankInterval(hamilton, 0.96)!;
    assert.ok(Math.abs(interval.lower - -0.786) < 1e-9);
    assert.ok(Math.abs(interval.upper - -0.01) < 1e-9);
    assert.ok(Math.abs(interval.confidence - 0.961) < 5e-4);
  });

  it('leaves out zero exactly where the exact test rejects it', () => {
    // distinct magnitudes and no zero: then no Walsh average is zero either
    const values = fc.uniqueArray(
      fc.integer({ min: -1000, max: 1500 }).filter((value) => value !== 0),
      { minLength: 6, maxLength: 14, selector: Math.abs },
    );
    fc.assert(
      fc.property(values, (differences) => {
        const interval = signedRankInterval(differences, 0.95)!;
        const excluded = interval.lower > 0 || interval.upper < 0;
        assert.equal(excluded, signedRankTest(differences).pTwoSided <= 0.05);
      }),
      { seed: 20260102, numRuns: 500 },
    );
  });
});

describe('the Hodges–Lehmann estimate', () => {
  it('is the median of all pairwise averages', () => {
    assert.deepEqual(Array.from(walshAverages([1, 2, 6])), [1, 1.5, 2, 3.5, 4, 6]);
    assert.equal(hodgesLehmann([1, 2, 6]), 2.75);
  });

  it('barely moves for one value that is far off', () => {
    assert.ok(Math.abs(hodgesLehmann([1, 1.1, 0.9, 1.05, 0.95, 1000]) - 1) < 0.2);
  });

  it('refuses an empty sample', () => {
    assert.throws(() => hodgesLehmann([]), RangeError);
  });
});
