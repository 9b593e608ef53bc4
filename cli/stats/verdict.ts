/**
 * What may be said about a ratio. Four answers and a silence; "equivalent" is looked for first, as
 * a tiny difference that is certain and does not matter is the commonest result of a good bench.
 */
import { logMargin } from './tost.ts';

export type Verdict =
  /** The 95 % interval excludes 1 and the margin: it differs by more than anyone would ignore. */
  | 'differs'
  /** The 95 % interval excludes 1 but not the margin. */
  | 'differs-perhaps-negligibly'
  /** The 90 % interval lies inside the margin (two one-sided tests at 5 %). */
  | 'equivalent'
  /** None of these: the interval is too wide. The smallest detectable effect says how wide. */
  | 'inconclusive'
  /** Too few rounds, or no ratio to speak of. */
  | 'no-inference';

export type Interval = [lower: number, upper: number];

/** Intervals are of the ratio, not of its logarithm; `margin` 0.05 stands for [1/1.05, 1.05]. */
export function verdictOf(
  interval95: Interval,
  interval90: Interval,
  margin: number,
): Exclude<Verdict, 'no-inference'> {
  const upperMargin = Math.exp(logMargin(margin));
  const lowerMargin = 1 / upperMargin;
  if (interval90[0] >= lowerMargin && interval90[1] <= upperMargin) return 'equivalent';
  if (interval95[0] > upperMargin || interval95[1] < lowerMargin) return 'differs';
  if (interval95[0] > 1 || interval95[1] < 1) return 'differs-perhaps-negligibly';
  return 'inconclusive';
}
