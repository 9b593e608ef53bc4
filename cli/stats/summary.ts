/** Descriptive figures of trials, through simple-statistics. */
import { max, mean, median, min, quantile, sampleStandardDeviation } from 'simple-statistics';
import { type Measured, unavailable } from '../record/measured.ts';

/** In the unit of the values. `p95` interpolates linearly (type 7, as R and NumPy do by default). */
export interface Summary {
  n: number;
  mean: number;
  median: number;
  p95: number;
  /** Sample standard deviation (n − 1). One value has none. */
  stddev: Measured<number>;
  min: number;
  max: number;
}

/** @throws RangeError for an empty sample: a summary of nothing would be an invented number. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError('no values to summarise');
  const sample = [...values];
  return {
    n: sample.length,
    mean: mean(sample),
    median: median(sample),
    p95: quantile(sample, 0.95),
    stddev:
      sample.length > 1
        ? sampleStandardDeviation(sample)
        : unavailable('one value has no standard deviation'),
    min: min(sample),
    max: max(sample),
  };
}
