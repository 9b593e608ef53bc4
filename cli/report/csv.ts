/** Long form, one figure a row, base units: for anyone's own plots and tests. */

import { METRICS } from './metrics.ts';
import type { Comparison } from './model.ts';
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
];

export function renderCsv({ trials }: Comparison): string {
  const rows = trials.flatMap((trial) =>
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
        ],
      ];
    }),
  );
  return `${[HEADER, ...rows].map((row) => row.map(csvField).join(',')).join('\r\n')}\r\n`;
}
