/**
 * Regression gates: `--fail-if 'p99>1.05'`. A gate fails where the whole 95 % interval lies beyond
 * its limit, whatever the verdict says of the margin, and the ratio beyond the noise floor where one
 * is known: noise does not turn a build red, and too few rounds cannot.
 */
import { ScratchpadError } from '../errors.ts';
import { findMetric, METRICS } from './metrics.ts';
import type { Comparison, PairResult } from './model.ts';
import { formatInterval, formatRatio } from './units.ts';

export interface Gate {
  expression: string;
  metricId: string;
  /** Only pairs of this label; null: all pairs. */
  label: string | null;
  operator: '>' | '<';
  ratio: number;
}

export interface GateResult {
  expression: string;
  a: string;
  b: string;
  /** False only where the interval supports that the limit is broken. */
  passed: boolean;
  status: 'passed' | 'failed' | 'undecided';
  detail: string;
}

const GATE =
  /^\s*(?:(?<label>[^:<>]+?)\s*:\s*)?(?<metric>[a-z0-9.-]+)\s*(?<operator>>=?|<=?)\s*(?<ratio>\d+(?:\.\d+)?)\s*$/i;

/**
 * `[label:]metric>ratio` or `<ratio`: `p99>1.05`, `docker: throughput<0.95`.
 * @throws ScratchpadError BAD_FLAG
 */
export function parseGate(expression: string): Gate {
  const { label, metric, operator, ratio } = GATE.exec(expression)?.groups ?? {};
  if (metric === undefined || operator === undefined || ratio === undefined) {
    throw new ScratchpadError('BAD_FLAG', `--fail-if "${expression}" is not a gate`, {
      hint: 'Write a metric, > or <, and a ratio: "p99>1.05" or "docker: throughput<0.95".',
    });
  }
  const definition = findMetric(metric);
  if (definition === undefined || !definition.hasRatio) {
    const known = METRICS.filter(({ hasRatio }) => hasRatio).map(({ id, aliases }) =>
      [...aliases.slice(0, 1), id].at(0),
    );
    throw new ScratchpadError(
      'BAD_FLAG',
      definition === undefined
        ? `--fail-if: there is no metric "${metric}"`
        : `--fail-if: ${definition.name.toLowerCase()} may be zero, so it has no ratio to hold a gate to`,
      {
        hint:
          definition === undefined
            ? `Metrics: ${known.join(', ')}.`
            : 'Gate errors where they happen: `scratchpad load --threshold "errors<0.1%"`.',
      },
    );
  }
  const limit = Number(ratio);
  if (!(limit > 0)) {
    throw new ScratchpadError('BAD_FLAG', `--fail-if "${expression}": a ratio is above 0`, {
      hint: '1.05 is 5 % more, 0.95 is 5 % less.',
    });
  }
  return {
    expression: expression.trim(),
    metricId: definition.id,
    label: label ?? null,
    operator: operator.startsWith('>') ? '>' : '<',
    ratio: limit,
  };
}

/**
 * One result per gate and pair.
 * @throws ScratchpadError BAD_FLAG where a gate names a metric or label that the records lack: a
 *   gate that can never fail must not pass in silence
 */
export function evaluateGates(gates: readonly Gate[], comparison: Comparison): GateResult[] {
  return gates.flatMap((gate) => {
    const metric = comparison.metrics.find(({ id }) => id === gate.metricId);
    const pairs = (metric?.pairs ?? []).filter(
      ({ a, b }) => gate.label === null || a === gate.label || `${a}/${b}` === gate.label,
    );
    if (pairs.length === 0) {
      const labels = comparison.subjects.map(({ label }) => label).join(', ');
      throw new ScratchpadError(
        'BAD_FLAG',
        `--fail-if "${gate.expression}" compares nothing here`,
        {
          hint: `The records hold: ${labels}. A gate needs two of them and a metric that both have.`,
        },
      );
    }
    return pairs.map((pair) => evaluate(gate, pair));
  });
}

function evaluate(gate: Gate, pair: PairResult): GateResult {
  const { a, b, ratio, interval95, verdict, reason, beyondFloor } = pair;
  const base = { expression: gate.expression, a, b };
  if (ratio === null || interval95 === null || verdict === 'no-inference') {
    const seen = ratio === null ? 'no ratio' : `${a} ÷ ${b} = ${formatRatio(ratio)}`;
    return { ...base, passed: true, status: 'undecided', detail: `${seen}: ${reason}` };
  }
  const [lower, upper] = interval95;
  const broken = gate.operator === '>' ? lower > gate.ratio : upper < gate.ratio;
  const kept = gate.operator === '>' ? upper <= gate.ratio : lower >= gate.ratio;
  const detail = `${a} ÷ ${b} = ${formatRatio(ratio)} ${formatInterval(interval95)}`;
  if (broken && beyondFloor === false) {
    const why = 'two identical deployments were seen to differ by as much';
    return { ...base, passed: true, status: 'undecided', detail: `${detail}: ${why}` };
  }
  const status = broken ? 'failed' : kept ? 'passed' : 'undecided';
  return {
    ...base,
    passed: !broken,
    status,
    detail: status === 'undecided' ? `${detail}: the interval does not decide` : detail,
  };
}
