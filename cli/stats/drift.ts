/** Did a run drift? A line through its 1 s bins, as a share of their mean. */
import { linearRegression, mean } from 'simple-statistics';
import { tQuantile } from './paired-t.ts';

export interface Drift {
  /** Change of the value per bin. */
  slopePerBin: number;
  /** Change over the whole run divided by the mean: 0.03 is a rise of 3 %. */
  relativeChange: number;
  /** 95 % interval of `relativeChange`, from the scatter around the line. */
  interval95: [number, number];
  /** More than the limit (2 %) and not explained by the scatter of the bins. */
  drifts: boolean;
}

export const DRIFT_LIMIT = 0.02;

/** Null for fewer than 10 bins or a mean of zero: no line is worth drawing. */
export function driftOf(bins: readonly number[], limit = DRIFT_LIMIT): Drift | null {
  const n = bins.length;
  if (n < 10) return null;
  const centre = mean([...bins]);
  if (centre === 0) return null;
  const { m: slope, b: intercept } = linearRegression(bins.map((value, i) => [i, value]));
  const residualSquares = bins.reduce((sum, v, i) => sum + (v - intercept - slope * i) ** 2, 0);
  const spread = (n * (n * n - 1)) / 12; // Σ(i − ī)² for i = 0 … n−1
  const standardError = Math.sqrt(residualSquares / (n - 2) / spread);
  const margin = tQuantile(0.975, n - 2) * standardError;
  const toRelative = (perBin: number) => (perBin * (n - 1)) / Math.abs(centre);
  const interval95: [number, number] = [toRelative(slope - margin), toRelative(slope + margin)];
  const relativeChange = toRelative(slope);
  return {
    slopePerBin: slope,
    relativeChange,
    interval95,
    drifts: Math.abs(relativeChange) > limit && (interval95[0] > 0 || interval95[1] < 0),
  };
}
