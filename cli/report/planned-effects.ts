/** Before a bench: what so many rounds could see, judged by the scatter of an earlier one. Pure. */
import { sampleStandardDeviation } from 'simple-statistics';
import { plannedDetectableRatio } from '../stats/detectable.ts';
import type { Comparison } from './model.ts';

export interface PlannedEffect {
  metricId: string;
  name: string;
  a: string;
  b: string;
  /** Standard deviation of ln(a/b) between the rounds of the earlier bench. */
  logRatioStddev: number;
  /** 1.04: a difference of 4 % would be seen in about 80 % of such benches. */
  detectableRatio: number;
}

/** Primary metrics and pairs that have at least two rounds in `earlier`. */
export function plannedEffects(earlier: Comparison, rounds: number): PlannedEffect[] {
  return earlier.metrics
    .filter(({ role }) => role === 'primary')
    .flatMap(({ id, name, subjects, pairs }) =>
      pairs.flatMap(({ a, b }): PlannedEffect[] => {
        const of = (label: string) => subjects.find((each) => each.label === label)?.values ?? [];
        const [first, second] = [of(a), of(b)];
        const logRatios = first.flatMap((value, i) => {
          const other = second[i] ?? null;
          return value !== null && other !== null && value > 0 && other > 0
            ? [Math.log(value / other)]
            : [];
        });
        if (logRatios.length < 2) return [];
        const logRatioStddev = sampleStandardDeviation(logRatios);
        const detectableRatio = plannedDetectableRatio(logRatioStddev, rounds);
        return detectableRatio === null
          ? []
          : [{ metricId: id, name, a, b, logRatioStddev, detectableRatio }];
      }),
    );
}
