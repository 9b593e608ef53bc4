/** What a reader of a measurement must know to read it right. Pure; travels in the record. */
import type { EngineTotals } from './totals.ts';
import type { LoadMeasurement } from './types.ts';

export function warningsOf(measurement: LoadMeasurement, totals: EngineTotals): string[] {
  const { counts, latencyUs, plan } = measurement;
  const warnings: string[] = [];
  if (plan.loop === 'closed') {
    warnings.push(
      'closed loop: each connection waits for its answer, so a stall holds back the requests that ' +
        'would have met it and is under-sampled; give --rate for latencies that count it',
    );
  }
  const censored = counts.unsent + counts.open;
  if (censored > 0) {
    warnings.push(
      `${counts.unsent} requests unsent and ${counts.open} unanswered at the end: they count as ` +
        '"at least" the time they had waited',
    );
  }
  const answered = latencyUs.answered;
  if (counts.failed > 0 && counts.answered > 0 && answered) {
    warnings.push(
      `${counts.failed} of ${counts.planned} requests failed and are in the response latencies at ` +
        `their elapsed time; the answered alone: median ${answered.median} µs, p99 ${answered.p99} µs`,
    );
  }
  if (totals.resetOnReuse > 0) {
    warnings.push(
      `${totals.resetOnReuse} requests met a kept-alive connection that the server closed without ` +
        'an answer (counted as ECONNRESET)',
    );
  }
  if (totals.unsolicited > 0) {
    warnings.push(`${totals.unsolicited} idle connections brought bytes that nobody asked for`);
  }
  return warnings;
}
