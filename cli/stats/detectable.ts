/**
 * The smallest detectable effect: what an "inconclusive" or a "no difference" could have seen. An
 * effect of that size would have put the 95 % interval off 1 in about 80 % of repeated benches.
 */
import { tQuantile } from './paired-t.ts';
import { signedRankOrder } from './signed-rank.ts';

/**
 * t(1 − α/2) + t(power) approximates the non-central t and falls short of its name at small n:
 * simulated with t(0.8), 71–77 % of benches saw the effect; with t(0.85), 74–82 % (6 and 12
 * rounds, normal to heavy-tailed noise; test/stats/coverage.test.ts holds it there).
 */
const POWER = 0.85;
/** Pitman efficiency of the signed-rank test against t on normal noise: 3/π. */
const SIGNED_RANK_EFFICIENCY = 3 / Math.PI;

/**
 * From the interval that was found. Its half-width is t(1 − α/2)·SE for the noise at hand, whatever its shape; power adds t(power)·SE. `confidence` is the one that the interval really holds.
 * Returned as a ratio above 1: 1.04 means that ±4 % would have been seen.
 */
export function detectableRatio(
  logInterval: { lower: number; upper: number },
  n: number,
  confidence: number,
): number {
  const halfWidth = (logInterval.upper - logInterval.lower) / 2;
  const critical = tQuantile(1 - (1 - confidence) / 2, n - 1);
  return Math.exp(halfWidth * (1 + tQuantile(POWER, n - 1) / critical));
}

/**
 * Before a bench: what `rounds` rounds can see where ln(a_i/b_i) is known from earlier records to
 * have the standard deviation `logRatioStddev`. Null where so few rounds allow no interval.
 */
export function plannedDetectableRatio(logRatioStddev: number, rounds: number): number | null {
  if (rounds < 2) return null;
  const exact = signedRankOrder(rounds, 0.95);
  const confidence = exact.k > 0 ? exact.confidence : 0.95;
  const efficiency = exact.k > 0 ? SIGNED_RANK_EFFICIENCY : 1;
  const standardError = logRatioStddev / Math.sqrt(rounds * efficiency);
  const critical = tQuantile(1 - (1 - confidence) / 2, rounds - 1);
  return Math.exp(standardError * (critical + tQuantile(POWER, rounds - 1)));
}
