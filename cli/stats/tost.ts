/**
 * Equivalence by two one-sided tests: "the ratio is within the margin" is shown where both "it is
 * below" and "it is above" are rejected at 5 %. The same as: the 90 % interval lies inside the
 * margin.
 *
 * @see D. J. Schuirmann, A comparison of the two one-sided tests procedure and the power approach,
 *   Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657–680.
 */
import { pairedTOneSided } from './paired-t.ts';
import { signedRankTest } from './signed-rank.ts';

/** ln of the declared margin: ±5 % as a ratio is [1/1.05, 1.05], symmetrical in logarithms. */
export function logMargin(margin: number): number {
  if (!(margin > 0)) throw new RangeError(`the margin must be above 0, not ${margin}`);
  return Math.log1p(margin);
}

/** The larger of the two one-sided p-values; `logRatios` are ln(a_i/b_i). Null below two rounds. */
export function equivalencePValue(
  logRatios: readonly number[],
  margin: number,
  method: 'signed-rank' | 'paired-t',
): number | null {
  const limit = logMargin(margin);
  if (method === 'paired-t') {
    const lower = pairedTOneSided(logRatios, -limit);
    const upper = pairedTOneSided(logRatios, limit);
    return lower === null || upper === null ? null : Math.max(lower.pGreater, upper.pLess);
  }
  const aboveLower = signedRankTest(logRatios.map((d) => d + limit)).pGreater;
  const belowUpper = signedRankTest(logRatios.map((d) => d - limit)).pLess;
  return Math.max(aboveLower, belowUpper);
}
