/**
 * Did a run drift? The Theil–Sen slope through its 1 s bins, as a share of their median. Not least
 * squares: one stalled second among 120 widens its interval so far that a drift of 20 % is missed.
 *
 * @see P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, Journal of the
 *   American Statistical Association 63 (1968) 1379–1389.
 */
import { median, quantileSorted } from 'simple-statistics';

export interface Drift {
  /** Change of the value per bin. */
  slopePerBin: number;
  /** Change over the whole run divided by the median: 0.03 is a rise of 3 %. */
  relativeChange: number;
  /** 95 % interval of `relativeChange`, from Kendall's tau. */
  interval95: [number, number];
  /** More than the limit (2 %) and not explained by the scatter of the bins. */
  drifts: boolean;
}

export const DRIFT_LIMIT = 0.02;

/** More bins than this are joined: the pairwise slopes grow with the square. */
const MAX_BINS = 240;

/** Null for fewer than 10 bins or a median of zero: no line is worth drawing. */
export function driftOf(bins: readonly number[], limit = DRIFT_LIMIT): Drift | null {
  const width = Math.ceil(bins.length / MAX_BINS);
  const joined = width > 1 ? join(bins, width) : bins;
  const n = joined.length;
  if (n < 10) return null;
  const centre = median([...joined]);
  if (centre === 0) return null;

  const slopes: number[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) slopes.push((joined[j]! - joined[i]!) / (j - i));
  }
  slopes.sort((a, b) => a - b);
  const reach = 1.959964 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const share = (slopes.length - reach) / 2 / slopes.length;
  const slope = quantileSorted(slopes, 0.5);
  const toRelative = (perBin: number) => (perBin * (n - 1)) / Math.abs(centre);
  const interval95: [number, number] = [
    toRelative(quantileSorted(slopes, share)),
    toRelative(quantileSorted(slopes, 1 - share)),
  ];
  const relativeChange = toRelative(slope);
  return {
    slopePerBin: slope / width,
    relativeChange,
    interval95,
    drifts: Math.abs(relativeChange) > limit && (interval95[0] > 0 || interval95[1] < 0),
  };
}

/** Medians of `width` neighbours each; what is left over at the end is dropped. */
function join(bins: readonly number[], width: number): number[] {
  return Array.from({ length: Math.floor(bins.length / width) }, (_, i) =>
    median(bins.slice(i * width, (i + 1) * width)),
  );
}
