/**
 * Long form, base units: for anyone's own plots and tests. A row holds one figure of one trial, or,
 * kind `pair`, the ratio label ÷ versus of one metric over all rounds.
 */

import { METRICS } from './metrics.ts';
import type { Comparison, MetricResult, PairResult } from './model.ts';
import { csvField } from './text.ts';

const HEADER = [
  'side',
  'label',
  'kind',
  'record',
  'started_at',
  'round',
  'slot',
  'excluded',
  'metric',
  'unit',
  'role',
  'value',
  'unavailable',
  'at_least',
  'versus',
  'rounds',
  'ratio',
  'ci_low',
  'ci_high',
  'verdict',
  'claimed',
  'emulated',
];

type Field = string | number | boolean | null;

/** The columns of a pair, which a figure has not. */
const NO_PAIR: Field[] = new Array(7).fill(null);

export function renderCsv({ trials, metrics, subjects }: Comparison): string {
  const emulated = new Set(subjects.filter((each) => each.emulated).map(({ label }) => label));
  const rows: Field[][] = trials.flatMap((trial) =>
    METRICS.flatMap(({ id, unit, role }) => {
      const value = trial.values[id];
      if (value === undefined) return [];
      const known = typeof value === 'number';
      return [
        [
          trial.side,
          trial.label,
          trial.kind,
          trial.recordId,
          trial.startedAt,
          trial.round,
          trial.slot,
          trial.excluded,
          id,
          unit,
          role,
          known ? value : null,
          known ? null : value.unavailable,
          // the truth is at least the value
          trial.atLeast.includes(id) ? true : null,
          ...NO_PAIR,
          emulated.has(trial.label),
        ],
      ];
    }),
  );
  for (const metric of metrics) {
    rows.push(...metric.pairs.map((pair) => pairRow(metric, pair)));
    if (metric.control !== null) rows.push(pairRow(metric, metric.control));
  }
  return `${[HEADER, ...rows].map((row) => row.map(csvField).join(',')).join('\r\n')}\r\n`;
}

function pairRow({ id, unit, role }: MetricResult, pair: PairResult): Field[] {
  const { a, b, n, ratio, interval95, verdict, claimed, reason } = pair;
  return [
    ...['current', a, 'pair', null, null, null, null, null, id, unit, role, null],
    ratio === null ? reason : null,
    null,
    b,
    n,
    ratio,
    interval95?.[0] ?? null,
    interval95?.[1] ?? null,
    verdict,
    claimed,
    pair.emulated,
  ];
}
