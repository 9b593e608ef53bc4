/** What a reader must know to read the rows about memory. */
import type { MetricResult } from './model.ts';

/** Nothing where no working set was measured. */
export function memoryNotes(metrics: readonly MetricResult[]): string[] {
  const rows = ['memory-end', 'memory-ready'];
  const measured = metrics.some(
    ({ id, subjects }) => rows.includes(id) && subjects.some(({ summary }) => summary !== null),
  );
  return measured
    ? [
        'memory: page cache is charged to whoever touched it first, so a working set also depends on what ran before; unreclaimable memory does not',
      ]
    : [];
}
