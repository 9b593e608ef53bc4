/** A load record in a dozen lines: what `load` prints. */
import { isUnavailable, type Measured } from '../record/measured.ts';
import type { LoadRecord } from '../record/schema.ts';
import { plainText } from '../report/text.ts';
import { formatValue } from '../report/units.ts';
import { usedLines } from '../report/used-text.ts';
import type { Calibration } from './calibrate.ts';
import { describeFloor } from './floor.ts';

type Latency = LoadRecord['latencyUs']['response'];

export function formatLoad(record: LoadRecord): string {
  const { plan, counts, latencyUs, target } = record;
  const asked =
    plan.ratePerSecond === null
      ? `${plan.loop} loop, ${plan.loop === 'open' ? 'in stages' : `${plan.connections} connections`}`
      : `open loop, ${plan.ratePerSecond} requests/s asked`;
  const lines = [
    `${target.name} ${plainText(target.url)} (${target.path}), ${asked}, ${plan.durationMs / 1000} s`,
    '',
    `requests   planned ${counts.planned}, answered ${counts.answered}, failed ${counts.failed}, open ${counts.open}, unsent ${counts.unsent}`,
    `rate       ${record.requestsPerSecond.toFixed(1)} requests/s, ${formatValue(record.bytesPerSecond, 'bytes')}/s`,
    `response   ${latencyLine(latencyUs.response)}`,
    `  service  ${latencyLine(latencyUs.service)}`,
    `  lag      ${latencyLine(latencyUs.lag)}`,
  ];
  const floor = record['generatorFloor'] as Measured<Calibration> | undefined;
  if (floor !== undefined && !isUnavailable(floor))
    lines.push(`floor      ${describeFloor(floor)}`);
  if (record.target.acceleration === 'tcg')
    lines.splice(1, 0, 'emulated (tcg): says nothing about VMs in general');
  const errors = Object.entries(record.errors);
  if (errors.length > 0) lines.push(`errors     ${errors.map(([k, n]) => `${k} ${n}`).join(', ')}`);
  lines.push(...usedLines(record.resources));
  if (record.reconciliation && !isUnavailable(record.reconciliation)) {
    const { sentOnWire, serverHandled, difference } = record.reconciliation as Record<
      string,
      number
    >;
    lines.push(
      `counts     ${sentOnWire} on the wire, ${serverHandled} handled by the server${difference === 0 ? ': they agree' : `: ${difference} apart`}`,
    );
  }
  for (const check of record.thresholds ?? []) {
    lines.push(`threshold  ${check.passed ? 'met' : 'NOT MET'}  ${check.expression}`);
  }
  if (record.interrupted) lines.push('interrupted: partial figures');
  for (const warning of record.warnings) lines.push(`warning    ${plainText(warning)}`);
  return lines.join('\n');
}

/** `≥` where a percentile falls among requests that were not answered. */
function latencyLine(latency: Latency): string {
  if (latency.count === 0) return 'nothing recorded';
  const bounds = new Set(latency.lowerBounds ?? []);
  const at = (name: 'p50' | 'p95' | 'p99' | 'max') =>
    `${name} ${bounds.has(name) ? '≥ ' : ''}${(latency[name] / 1000).toFixed(2)}`;
  return `mean ${(latency.mean / 1000).toFixed(2)}, ${at('p50')}, ${at('p95')}, ${at('p99')}, ${at('max')} ms, sd ${(latency.stddev / 1000).toFixed(2)}`;
}
