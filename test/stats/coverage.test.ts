/**
 * What the statistics promise, simulated: trials of two targets in the order that a bench runs
 * them, on a machine that warms up, under three kinds of noise. Seeded, so a failure is a change of
 * the code and never bad luck.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scheduleRounds } from '../../cli/stats/order.ts';
import { comparePaired, type PairedComparison } from '../../cli/stats/paired.ts';
import { normal, type RandomSource, randomSource } from '../../cli/stats/random.ts';

const BENCHES = 2000;
const SIGMA = 0.05;

/** Noise of ln(value). `heavy` is Student's t with three degrees of freedom. */
const noises: Record<string, (random: RandomSource) => number> = {
  normal: (random) => Math.log(Math.max(0.2, 1 + SIGMA * normal(random))),
  lognormal: (random) => SIGMA * normal(random),
  heavy: (random) => {
    const chiSquared = normal(random) ** 2 + normal(random) ** 2 + normal(random) ** 2;
    return (SIGMA * normal(random)) / Math.sqrt(chiSquared / 3);
  },
};

/** `BENCHES` benches of `rounds`, `a` slower than `b` by `factor`, the machine drifting by 10 %. */
function simulate(
  rounds: number,
  noise: (random: RandomSource) => number,
  factor: number,
): PairedComparison[] {
  const random = randomSource(rounds * 1000 + Math.round(factor * 100));
  return Array.from({ length: BENCHES }, (_, bench) => {
    const a: number[] = [];
    const b: number[] = [];
    scheduleRounds(['a', 'b'], rounds, bench).forEach((order, round) => {
      order.forEach((label, slot) => {
        const drift = (0.1 * (2 * round + slot)) / (2 * rounds);
        const value = 100 * Math.exp(drift + noise(random));
        if (label === 'a') a.push(value * factor);
        else b.push(value);
      });
    });
    return comparePaired(a, b, { better: 'lower' });
  });
}

function share(benches: PairedComparison[], holds: (c: PairedComparison) => boolean): number {
  return benches.filter(holds).length / benches.length;
}

function excludes(ratio: number): (c: PairedComparison) => boolean {
  return ({ interval95 }) => interval95![0] > ratio || interval95![1] < ratio;
}

for (const [name, noise] of Object.entries(noises)) {
  describe(`under ${name} noise with drift`, () => {
    for (const rounds of [6, 12]) {
      const identical = simulate(rounds, noise, 1);
      const slower = simulate(rounds, noise, 1.1);

      it(`the 95 % interval of ${rounds} rounds holds the truth in 94.5 to 98.5 % of benches`, () => {
        for (const [benches, truth] of [
          [identical, 1],
          [slower, 1.1],
        ] as const) {
          const coverage = 1 - share(benches, excludes(truth));
          assert.ok(coverage >= 0.945 && coverage <= 0.985, `coverage ${coverage}`);
        }
      });

      it(`identical targets are said to differ in at most 5 % of benches of ${rounds} rounds`, () => {
        const negligibly = share(identical, (c) => c.verdict === 'differs-perhaps-negligibly');
        const differs = share(identical, (c) => c.verdict === 'differs');
        assert.ok(negligibly + differs <= 0.05, `${differs} and ${negligibly}`);
        assert.ok(differs <= 0.01, `differs: ${differs}`);
      });

      it(`twice as slow is always found in ${rounds} rounds`, () => {
        const found = share(simulate(rounds, noise, 2), (c) => c.verdict === 'differs');
        assert.ok(found >= (name === 'heavy' ? 0.97 : 1), `found ${found}`);
      });

      it(`an effect of the detectable size is seen in 70 to 85 % of benches of ${rounds} rounds`, () => {
        const detectable = identical.map((c) => c.detectableRatio!).sort((x, y) => x - y);
        const typical = detectable[detectable.length / 2]!;
        const power = share(simulate(rounds, noise, typical), excludes(1));
        assert.ok(power >= 0.7 && power <= 0.85, `${typical} was seen in ${power}`);
      });
    }

    it('a difference just outside the margin is called equivalent in at most 5 % of benches', () => {
      const wrong = share(simulate(12, noise, 1.0501), (c) => c.verdict === 'equivalent');
      assert.ok(wrong <= 0.05, `equivalent: ${wrong}`);
    });
  });
}

describe('three rounds of paired t', () => {
  it('hold the truth in 94 to 97 % of benches under lognormal noise', () => {
    const coverage = 1 - share(simulate(3, noises['lognormal']!, 1), excludes(1));
    assert.ok(coverage >= 0.94 && coverage <= 0.97, `coverage ${coverage}`);
  });
});
