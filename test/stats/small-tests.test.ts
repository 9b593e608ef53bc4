import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { detectableRatio, plannedDetectableRatio } from '../../cli/stats/detectable.ts';
import { driftOf } from '../../cli/stats/drift.ts';
import { holm } from '../../cli/stats/holm.ts';
import { outlierIndices } from '../../cli/stats/outliers.ts';
import { pairedTInterval, pairedTPValue, tQuantile } from '../../cli/stats/paired-t.ts';
import { normal, randomSource } from '../../cli/stats/random.ts';
import { summarize } from '../../cli/stats/summary.ts';
import { equivalencePValue } from '../../cli/stats/tost.ts';

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${actual} is not within ${tolerance} of ${expected}`,
  );
}

describe("Student's t on paired differences", () => {
  /** Student, The probable error of a mean, Biometrika 6 (1908): extra hours of sleep. */
  const sleep = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4];

  it("agrees with R for Student's sleep data: p = 0.002833, [0.7001142, 2.4598858]", () => {
    near(pairedTPValue(sleep)!, 0.002833, 5e-7);
    const interval = pairedTInterval(sleep, 0.95)!;
    near(interval.lower, 0.7001142, 5e-8);
    near(interval.upper, 2.4598858, 5e-8);
  });

  it("agrees with Fisher's t on Darwin's maize: two-sided p = 0.0497", () => {
    const maize = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48];
    near(pairedTPValue(maize)!, 0.0497, 5e-5);
  });

  it('has the quantiles of the printed tables', () => {
    // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2
    for (const [p, degrees, expected] of [
      [0.975, 1, 12.706],
      [0.975, 2, 4.303],
      [0.975, 4, 2.776],
      [0.95, 5, 2.015],
      [0.99, 12, 2.681],
      [0.975, 100, 1.984],
    ] as const) {
      near(tQuantile(p, degrees), expected, 5e-4);
    }
  });

  it('keeps its digits in the far tail', () => {
    // P(|T₂| ≥ t) = 1 − t/√(2 + t²), in closed form for two degrees of freedom
    const differences = [1, 1.0001, 1.0002];
    const t = 1.0001 / (0.0001 / Math.sqrt(3));
    const expected = 2 / (2 + t * t + t * Math.sqrt(2 + t * t));
    near(pairedTPValue(differences)! / expected, 1, 1e-6);
  });

  it('has nothing to say about one value', () => {
    assert.equal(pairedTInterval([1], 0.95), null);
    assert.equal(pairedTPValue([1]), null);
  });

  it('calls identical differences certain, and identical zeros no evidence', () => {
    assert.equal(pairedTPValue([0.5, 0.5, 0.5]), 0);
    assert.equal(pairedTPValue([0, 0, 0]), 1);
  });
});

describe("Holm's correction", () => {
  it("agrees with R's p.adjust(c(0.01, 0.04, 0.03, 0.005), 'holm')", () => {
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    [0.03, 0.06, 0.06, 0.02].forEach((expected, i) => {
      near(adjusted[i]!, expected, 1e-12);
    });
  });

  it('never goes above 1, never below the raw p, and keeps the order', () => {
    const raw = [0.9, 0.8, 0.001, 0.5, 0.02];
    const adjusted = holm(raw);
    adjusted.forEach((p, i) => {
      assert.ok(p <= 1 && p >= raw[i]!);
    });
    assert.ok(adjusted[2]! < adjusted[4]! && adjusted[4]! < adjusted[3]!);
    assert.deepEqual(holm([]), []);
  });
});

describe('equivalence', () => {
  it('is what two t tests against the margins say', () => {
    const logRatios = [0.01, -0.005, 0.012, 0.002];
    const p = equivalencePValue(logRatios, 0.05, 'paired-t')!;
    const interval90 = pairedTInterval(logRatios, 0.9)!;
    assert.equal(p < 0.05, interval90.upper < Math.log(1.05) && interval90.lower > -Math.log(1.05));
    assert.ok(p < 0.05);
    assert.ok(equivalencePValue(logRatios, 0.005, 'paired-t')! > 0.05);
  });

  it('refuses a margin that is not above zero', () => {
    assert.throws(() => equivalencePValue([0, 0], 0, 'paired-t'), RangeError);
  });
});

describe('the smallest detectable effect', () => {
  it('shrinks with rounds and grows with noise', () => {
    assert.ok(plannedDetectableRatio(0.05, 12)! < plannedDetectableRatio(0.05, 6)!);
    assert.ok(plannedDetectableRatio(0.05, 12)! < plannedDetectableRatio(0.1, 12)!);
    assert.equal(plannedDetectableRatio(0.05, 1), null);
  });

  it('is wider than half of the interval that it comes from', () => {
    const ratio = detectableRatio({ lower: -0.02, upper: 0.02 }, 12, 0.95);
    assert.ok(ratio > Math.exp(0.02) && ratio < Math.exp(0.04));
  });
});

describe('outliers', () => {
  it('are beyond five robust sigmas and nothing else is', () => {
    assert.deepEqual(outlierIndices([10, 11, 9, 10.5, 9.5, 100]), [5]);
    assert.deepEqual(outlierIndices([10, 11, 9, 10.5, 9.5, 13]), []);
  });

  it('are found beside equal values, where the MAD is 0, without flagging a small step', () => {
    const equal = new Array<number>(19).fill(7);
    assert.deepEqual(outlierIndices([...equal, 900]), [19]);
    assert.deepEqual(outlierIndices([7, 7, 7, 7, 7, 8, 8, 8]), []);
    assert.deepEqual(outlierIndices([7, 7, 7, 7, 7, 7]), []);
  });

  it('need a majority: none among four values', () => {
    assert.deepEqual(outlierIndices([1, 1, 1, 1000]), []);
  });
});

describe('drift', () => {
  it('is the slope over the run as a share of the median', () => {
    const drift = driftOf(Array.from({ length: 101 }, (_, i) => 100 + i * 0.1))!;
    near(drift.slopePerBin, 0.1, 1e-9);
    near(drift.relativeChange, 10 / 105, 1e-9);
    assert.equal(drift.drifts, true);
  });

  it('is the median of all pairwise slopes', () => {
    const bins = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];
    const slopes = bins.flatMap((y, i) => bins.slice(i + 1).map((z, k) => (z - y) / (k + 1)));
    slopes.sort((x, y) => x - y);
    near(driftOf(bins)!.slopePerBin, (slopes[32]! + slopes[33]!) / 2, 1e-12);
  });

  it('is seen behind a stall, which would hide it from least squares', () => {
    const bins = Array.from({ length: 60 }, (_, i) => 100 * (1 + i / 300));
    bins[36] = 900;
    const drift = driftOf(bins)!;
    assert.equal(drift.drifts, true);
    near(drift.relativeChange, 0.18, 0.01);
  });

  it('is the same for a long run, whose bins are joined', () => {
    const drift = driftOf(Array.from({ length: 3600 }, (_, i) => 100 + i * 0.01))!;
    near(drift.slopePerBin, 0.01, 1e-9);
    near(drift.relativeChange, 36 / 118, 0.002);
  });

  it('is seen in at most 6 % of level noisy runs, and in all that rise by 10 %', () => {
    const random = randomSource(3);
    let level = 0;
    let rising = 0;
    for (let run = 0; run < 400; run++) {
      const bins = Array.from({ length: 120 }, () => 100 + 5 * normal(random));
      if (driftOf(bins)!.drifts) level++;
      if (driftOf(bins.map((value, i) => value * (1 + i / 1190)))!.drifts) rising++;
    }
    assert.ok(level <= 24, `${level} of 400 level runs`);
    assert.equal(rising, 400);
  });

  it('is not claimed within 2 %, nor from fewer than ten bins', () => {
    assert.equal(driftOf(Array.from({ length: 100 }, (_, i) => 100 + i * 0.01))!.drifts, false);
    assert.equal(driftOf([1, 2, 3, 4, 5, 6, 7, 8, 9]), null);
    assert.equal(driftOf(new Array<number>(20).fill(0)), null);
  });
});

describe('summaries', () => {
  it("use the sample SD and type 7 quantiles, as R's sd() and quantile() do", () => {
    const summary = summarize([2, 4, 4, 4, 5, 5, 7, 9]);
    assert.equal(summary.mean, 5);
    assert.equal(summary.median, 4.5);
    near(summary.stddev as number, Math.sqrt(32 / 7), 1e-12);
    near(summary.p95, 8.3, 1e-12);
    assert.deepEqual([summary.min, summary.max, summary.n], [2, 9, 8]);
  });

  it('say that one value has no standard deviation, and refuse none at all', () => {
    assert.deepEqual(summarize([3]).stddev, {
      unavailable: 'one value has no standard deviation',
    });
    assert.throws(() => summarize([]), RangeError);
  });
});

describe('random numbers', () => {
  it('repeat from the seed and differ between neighbouring seeds', () => {
    const take = (seed: number) => Array.from({ length: 5 }, randomSource(seed));
    assert.deepEqual(take(1), take(1));
    assert.notDeepEqual(take(1), take(2));
    assert.throws(() => randomSource(0.5), RangeError);
  });

  it('are uniform: 10,000 fall evenly into 16 bins (χ², 15 degrees of freedom)', () => {
    for (const seed of [0, 1, 2, 0xffffffff]) {
      const random = randomSource(seed);
      const bins = new Array<number>(16).fill(0);
      for (let i = 0; i < 10_000; i++) bins[Math.floor(random() * 16)]! += 1;
      const chiSquared = bins.reduce((sum, count) => sum + (count - 625) ** 2 / 625, 0);
      assert.ok(chiSquared < 37.7, `χ² = ${chiSquared} (p < 0.001)`);
    }
  });
});
