/**
 * Thresholds for CI: `p99<50ms`, `errors<0.1%`, `rps>100`. The one syntax is METRIC, `<` `<=` `>` `>=`,
 * NUMBER and unit. Pure.
 */
import { ScratchpadError } from '../errors.ts';
import type { LoadMeasurement } from './types.ts';

const LATENCIES = ['mean', 'median', 'min', 'max', 'p50', 'p90', 'p95', 'p99', 'p999'] as const;
const METRICS = [...LATENCIES, 'errors', 'failed', 'unsent', 'rps'] as const;
const UNITS_US: Record<string, number> = { us: 1, µs: 1, ms: 1000, s: 1_000_000 };

type Comparison = '<' | '<=' | '>' | '>=';

export interface Threshold {
  /** As it was written. */
  expression: string;
  metric: (typeof METRICS)[number];
  comparison: Comparison;
  /** In the metric's own unit: µs, a share of 1, requests or requests per second. */
  limit: number;
}

export interface ThresholdResult {
  expression: string;
  /** In the metric's own unit; absent where nothing was measured. */
  actual: number | { unavailable: string };
  /** The truth may be above `actual`; absent: it is that. */
  isLowerBound?: true;
  passed: boolean;
}

/** Throws ScratchpadError BAD_FLAG where the expression is not one. */
export function parseThreshold(expression: string): Threshold {
  const match = /^\s*([a-z]\w*)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(us|µs|ms|s|%)?\s*$/.exec(
    expression,
  );
  const metric = METRICS.find((name) => name === match?.[1]);
  if (!match || metric === undefined) {
    throw bad(expression, `a metric is one of ${METRICS.join(', ')}`);
  }
  const unit = match[4];
  const value = Number(match[3]);
  const isLatency = (LATENCIES as readonly string[]).includes(metric);
  if (isLatency && (unit === undefined || UNITS_US[unit] === undefined)) {
    throw bad(expression, 'a latency needs its unit: us, ms or s');
  }
  if (metric === 'errors' && unit !== '%') throw bad(expression, 'errors are a share: write 0.1%');
  if (!isLatency && metric !== 'errors' && unit !== undefined) {
    throw bad(expression, `${metric} has no unit`);
  }
  const scale = unit === '%' ? 0.01 : unit === undefined ? 1 : UNITS_US[unit]!;
  return {
    expression: expression.trim(),
    metric,
    comparison: match[2] as Comparison,
    limit: value * scale,
  };
}

function bad(expression: string, reason: string): ScratchpadError {
  return new ScratchpadError('BAD_FLAG', `"${expression}" is not a threshold: ${reason}`, {
    hint: "Write it like 'p99<50ms', 'errors<0.1%' or 'rps>100', in quotes.",
  });
}

/**
 * Judge the measurement. A latency that is only a lower bound cannot pass a `<`: the truth may be
 * above. Unsent and unanswered requests count as errors, as nobody got their answer.
 */
export function evaluateThresholds(
  thresholds: readonly Threshold[],
  measurement: Pick<LoadMeasurement, 'counts' | 'latencyUs' | 'requestsPerSecond'>,
): ThresholdResult[] {
  return thresholds.map(({ expression, metric, comparison, limit }) => {
    const actual = valueFor(metric, measurement);
    if (actual === null) {
      return { expression, actual: { unavailable: 'nothing was measured' }, passed: false };
    }
    const isBound = (measurement.latencyUs.response.lowerBounds ?? []).includes(metric);
    const passed = compare(actual, comparison, limit) && !(isBound && comparison.startsWith('<'));
    return { expression, actual, ...(isBound ? { isLowerBound: true as const } : {}), passed };
  });
}

function valueFor(
  metric: Threshold['metric'],
  { counts, latencyUs, requestsPerSecond }: Parameters<typeof evaluateThresholds>[1],
): number | null {
  switch (metric) {
    case 'rps':
      return requestsPerSecond;
    case 'failed':
      return counts.failed;
    case 'unsent':
      return counts.unsent;
    case 'errors': {
      const lost = counts.failed + counts.unsent + counts.open;
      return counts.planned === 0 ? null : lost / counts.planned;
    }
    default:
      return latencyUs.response.count === 0 ? null : latencyUs.response[metric];
  }
}

function compare(actual: number, comparison: Comparison, limit: number): boolean {
  switch (comparison) {
    case '<':
      return actual < limit;
    case '<=':
      return actual <= limit;
    case '>':
      return actual > limit;
    case '>=':
      return actual >= limit;
  }
}
