/**
 * Student's t on paired differences: for fewer than 6 rounds, where the signed-rank interval cannot
 * reach 95 %. simple-statistics is not used for it: its tTest divides by the population SD.
 */
import jStat from 'jstat';
import { mean, sampleStandardDeviation } from 'simple-statistics';

/** The t with P(T ≤ t) = p. */
export function tQuantile(p: number, degreesOfFreedom: number): number {
  return jStat.studentt.inv(p, degreesOfFreedom);
}

/** Interval for the mean difference; null for fewer than two values. */
export function pairedTInterval(
  differences: readonly number[],
  confidence: number,
): { lower: number; upper: number } | null {
  const n = differences.length;
  if (n < 2) return null;
  const values = [...differences];
  const centre = mean(values);
  const margin =
    (tQuantile(1 - (1 - confidence) / 2, n - 1) * sampleStandardDeviation(values)) / Math.sqrt(n);
  return { lower: centre - margin, upper: centre + margin };
}

/** Two-sided p of "the mean difference is zero"; null for fewer than two values. */
export function pairedTPValue(differences: readonly number[]): number | null {
  const p = pairedTOneSided(differences, 0);
  return p === null ? null : Math.min(1, 2 * Math.min(p.pLess, p.pGreater));
}

/** One-sided p of "the mean difference is `shift`" against smaller and against greater. */
export function pairedTOneSided(
  differences: readonly number[],
  shift: number,
): { pLess: number; pGreater: number } | null {
  const n = differences.length;
  if (n < 2) return null;
  const values = [...differences];
  const distance = mean(values) - shift;
  const standardError = sampleStandardDeviation(values) / Math.sqrt(n);
  if (standardError === 0) {
    // all differences are the same: a distance is certain, and none is no evidence at all
    return { pLess: distance < 0 ? 0 : 1, pGreater: distance > 0 ? 0 : 1 };
  }
  // the lower tail of −|t|, not 1 − cdf: no digits are lost where p is tiny
  const tail = jStat.studentt.cdf(-Math.abs(distance / standardError), n - 1);
  return distance < 0 ? { pLess: tail, pGreater: 1 - tail } : { pLess: 1 - tail, pGreater: tail };
}
