/** Trials that did not hold still: their mean is of something that was on its way elsewhere. */
import { isUnavailable } from '../record/measured.ts';
import type { TrialRecord } from '../record/schema.ts';
import { type Drift, driftOf } from '../stats/drift.ts';
import type { Collection, Observation } from './collect.ts';
import { formatPercent } from './units.ts';

type Measurement = TrialRecord['latency'];

const SERIES: Array<{ name: string; read(observation: Observation): number[] }> = [
  {
    name: 'median latency',
    read: ({ record }) => {
      if (record.kind === 'probe') return [];
      const measurement = record.kind === 'trial' ? record.latency : record;
      return withinDuration(measurement).flatMap(({ p50Us }) => (p50Us === null ? [] : [p50Us]));
    },
  },
  {
    name: 'throughput at saturation',
    read: ({ record }) =>
      record.kind !== 'trial' || isUnavailable(record.saturation)
        ? []
        : withinDuration(record.saturation as Measurement).map(({ answered }) => answered),
  },
];

/** One line per label and series: how many trials drift by more than 2 %, and the largest. */
export function driftWarnings({ labels, observations }: Collection): string[] {
  return SERIES.flatMap(({ name, read }) =>
    labels.flatMap((label) => {
      const counted = observations.filter(
        (observation) => observation.label === label && observation.excluded === null,
      );
      const drifts = counted
        .map((observation) => driftOf(read(observation)))
        .filter((drift): drift is Drift => drift?.drifts === true)
        .map(({ relativeChange }) => relativeChange)
        .sort((a, b) => Math.abs(b) - Math.abs(a));
      if (drifts.length === 0) return [];
      const [largest] = drifts;
      const sign = largest! > 0 ? '+' : '−';
      return [
        `drift: ${name} of ${label} changes during the measured time in ${drifts.length} of ${counted.length} trials, by up to ${sign}${formatPercent(Math.abs(largest!))}`,
      ];
    }),
  );
}

/** Without the drain, in which fewer and fewer answers come. */
function withinDuration({ windows, plan }: Measurement): Measurement['windows'] {
  return windows.filter(({ atMs }) => atMs < plan.durationMs);
}
