/** A load record in a dozen lines: what `load` prints. */
import { isUnavailable, type Measured } from '../record/measured.ts';
import type { LoadRecord } from '../record/schema.ts';
import { plainText } from '../report/text.ts';
import { boundMark, formatValue } from '../report/units.ts';
import { usedLines } from '../report/used-text.ts';
import type { Calibration } from './calibrate.ts';
import { describeFloor } from './floor.ts';
import type { LoadMeasurement } from './types.ts';

type Latency = LoadRecord['latencyUs']['response'];
type Check = NonNullable<LoadRecord['thresholds']>[number];

/** What the scenario found out about the items that it wrote, fit to print; null where it wrote none. */
export function integrityOf(record: LoadRecord): LoadMeasurement['integrity'] {
  const { integrity = null } = record as unknown as Partial<LoadMeasurement>;
  if (integrity === null || integrity.acknowledged + integrity.lost === 0) return null;
  return { ...integrity, details: integrity.details.map((detail) => plainText(detail)) };
}

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
  const limiter = LIMITS[String(record['limiter'])];
  if (limiter !== undefined) lines.push(`limit      ${limiter}`);
  const errors = Object.entries(record.errors);
  if (errors.length > 0) lines.push(`errors     ${errors.map(([k, n]) => `${k} ${n}`).join(', ')}`);
  const integrity = integrityOf(record);
  if (integrity !== null) {
    const { acknowledged, verified, lost, details } = integrity;
    lines.push(
      `integrity  ${acknowledged} writes acknowledged, ${verified} checks passed, ${lost === 0 ? 'none lost' : `${lost} LOST`}`,
      ...details.map((detail) => `           ${detail}`),
    );
  }
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
    lines.push(
      `threshold  ${check.passed ? 'met' : 'NOT MET'}  ${check.expression} (${actualOf(check)})`,
    );
  }
  if (record.interrupted) lines.push('interrupted: partial figures');
  for (const warning of record.warnings) lines.push(`warning    ${plainText(warning)}`);
  return lines.join('\n');
}

/** What kept the figures from being better, by the record's `limiter`. */
const LIMITS: Record<string, string> = {
  generator: 'the generator',
  'connection-cap': 'the number of connections',
  target: 'the target',
  host: 'the host: its CPUs were all busy, or the hypervisor took them',
};

/** The value that was held against the threshold, in the unit of a reader. */
function actualOf({ expression, actual, isLowerBound }: Check): string {
  if (isUnavailable(actual)) return actual.unavailable;
  const value = actual as number;
  const metric = /^\w+/.exec(expression)?.[0] ?? '';
  const bound = boundMark(isLowerBound === true);
  if (metric === 'errors') return `${Number((value * 100).toPrecision(3))} %`;
  if (metric === 'failed' || metric === 'unsent') return String(value);
  if (metric === 'rps') return `${value.toFixed(1)}/s`;
  return `${bound}${(value / 1000).toFixed(2)} ms`;
}

/** `≥` where a percentile falls among requests that were not answered. */
function latencyLine(latency: Latency): string {
  if (latency.count === 0) return 'nothing recorded';
  const bounds = new Set(latency.lowerBounds ?? []);
  const at = (name: 'mean' | 'p50' | 'p95' | 'p99' | 'max') =>
    `${name} ${boundMark(bounds.has(name))}${(latency[name] / 1000).toFixed(2)}`;
  return `${at('mean')}, ${at('p50')}, ${at('p95')}, ${at('p99')}, ${at('max')} ms, sd ${(latency.stddev / 1000).toFixed(2)}`;
}
