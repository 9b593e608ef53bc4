/**
 * Outliers are flagged, never removed: a stall that happened is part of what the target does. The
 * report shows the estimate with and without them.
 *
 * @see B. Iglewicz, D. C. Hoaglin, How to Detect and Handle Outliers (1993): modified z-scores.
 */
import { mean, median, medianAbsoluteDeviation } from 'simple-statistics';

/** Makes the MAD of a normal sample estimate its standard deviation. */
const MAD_TO_SIGMA = 1.4826;
/** The same for the mean absolute deviation: √(π/2). */
const MEAN_DEVIATION_TO_SIGMA = 1.2533;
const THRESHOLD_SIGMAS = 5;

/**
 * Indices of the values with |x − median| > 5·1.4826·MAD. Where more than half of the values are
 * equal the MAD is 0 and would flag every other value; the mean absolute deviation stands in.
 * Fewer than 5 values: none, there is no majority to be far from.
 */
export function outlierIndices(values: readonly number[]): number[] {
  if (values.length < 5) return [];
  const sample = [...values];
  const centre = median(sample);
  let sigma = MAD_TO_SIGMA * medianAbsoluteDeviation(sample);
  if (sigma === 0) {
    sigma = MEAN_DEVIATION_TO_SIGMA * mean(sample.map((value) => Math.abs(value - centre)));
  }
  return sample.flatMap((value, index) =>
    Math.abs(value - centre) > THRESHOLD_SIGMAS * sigma ? [index] : [],
  );
}
