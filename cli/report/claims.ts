/**
 * One sentence per claim, with its interval: what a reader may take away. A sentence never says
 * more than its verdict, and "no difference" says how small a difference would have been seen.
 */
import type { Comparison, MetricResult, PairResult } from './model.ts';
import { formatAway, formatInterval, formatPercent, formatRatio } from './units.ts';

export interface Claim {
  metricId: string;
  a: string;
  b: string;
  /** 'difference' is claimed; 'none' is equivalence; 'unclear' and 'silent' claim nothing. */
  kind: 'difference' | 'none' | 'unclear' | 'silent';
  emulated: boolean;
  sentence: string;
}

interface Wording {
  subject: string;
  /** What a is in relation to b, where its figure is larger and where it is smaller. */
  larger: string;
  smaller: string;
}

const WORDING: Record<string, Wording> = {
  'start-up': { subject: 'starts', larger: 'later than', smaller: 'sooner than' },
  shutdown: { subject: 'takes', larger: 'longer to stop than', smaller: 'less long to stop than' },
  throughput: {
    subject: 'answers',
    larger: 'more requests/s at saturation than',
    smaller: 'fewer requests/s at saturation than',
  },
  'memory-end': {
    subject: 'holds',
    larger: 'more memory at the end of the load than',
    smaller: 'less memory at the end of the load than',
  },
  'cpu-per-1000': {
    subject: 'uses',
    larger: 'more CPU per request than',
    smaller: 'less CPU per request than',
  },
  'latency-p99': {
    subject: 'has a p99 latency',
    larger: 'higher than',
    smaller: 'lower than',
  },
};

/** Claims of the primary metrics; those against the first subject come first, emulated ones last. */
export function claimsOf(comparison: Comparison): Claim[] {
  const reference = comparison.subjects.find(({ role }) => role === 'baseline')?.label;
  const claims = comparison.metrics
    .filter(({ role }) => role === 'primary')
    .flatMap((metric) => metric.pairs.map((pair) => claimOf(metric, pair, comparison)));
  const ofReference = [
    ...claims.filter(({ b }) => b === reference),
    ...claims.filter(({ b }) => b !== reference),
  ];
  // what was emulated answers another question: it stands behind what was not
  return [
    ...ofReference.filter(({ emulated }) => !emulated),
    ...ofReference.filter(({ emulated }) => emulated),
  ];
}

function claimOf(metric: MetricResult, pair: PairResult, comparison: Comparison): Claim {
  const base = { metricId: metric.id, a: pair.a, b: pair.b, emulated: pair.emulated };
  const name = metric.phrase;
  const { a, b, ratio, interval95 } = pair;
  const subject = pair.emulated ? `${a} (${emulatedLabel(pair, comparison)})` : a;

  if (ratio === null || interval95 === null || pair.verdict === 'no-inference') {
    const seen =
      ratio === null
        ? `no ratio (${pair.reason})`
        : `${formatRatio(ratio)} that of ${b}${interval95 === null ? '' : ` ${formatInterval(interval95)}`} in ${pair.n} ${pair.n === 1 ? 'round' : 'rounds'}, no inference`;
    return { ...base, kind: 'silent', sentence: `${name}, ${subject}: ${seen}` };
  }
  if (pair.verdict === 'equivalent') {
    const certain = interval95[0] > 1 || interval95[1] < 1;
    const rest = certain
      ? `the difference is within ±${formatPercent(comparison.margin)}: ${signed(interval95)}`
      : `${signed(interval95)}; we would have seen ${formatAway(pair.detectableRatio ?? 1)}`;
    const what = certain ? 'no difference that matters' : 'no difference';
    return {
      ...base,
      kind: 'none',
      sentence: `${what} in ${name} between ${subject} and ${b}: ${rest}`,
    };
  }
  if (pair.verdict === 'inconclusive') {
    return {
      ...base,
      kind: 'unclear',
      sentence: `cannot tell ${subject} from ${b} in ${name}: ratio ${formatRatio(ratio)} ${formatInterval(interval95)}; only ${formatAway(pair.detectableRatio ?? 1)} or more would have been seen`,
    };
  }
  const difference = `${subject} ${effect(metric, pair)} ${b}`;
  if (!pair.claimed) {
    return {
      ...base,
      kind: 'unclear',
      sentence: `${difference}, ${
        pair.noiseFloorRatio === null
          ? 'but the noise floor is not established'
          : `but two identical deployments differed by up to ${formatAway(pair.noiseFloorRatio)}`
      }: not claimed`,
    };
  }
  const hedges = [
    ...(pair.verdict === 'differs-perhaps-negligibly'
      ? [`perhaps negligibly: the interval reaches into ±${formatPercent(comparison.margin)}`]
      : []),
    ...(pair.holmPValue !== null && pair.holmPValue > 0.05 && comparison.holmReachable
      ? [`not after Holm's correction for ${comparison.comparisons} comparisons`]
      : []),
  ];
  return {
    ...base,
    kind: 'difference',
    sentence: difference + (hedges.length === 0 ? '' : ` (${hedges.join('; ')})`),
  };
}

/** `starts 3.10× [2.90, 3.40] later than`, `uses 12 % [9 %, 15 %] more CPU per request than`. */
function effect(metric: MetricResult, { ratio, interval95 }: PairResult): string {
  const larger = ratio! > 1;
  const wording = WORDING[metric.id] ?? {
    subject: `has a ${metric.phrase}`,
    larger: 'higher than',
    smaller: 'lower than',
  };
  const up = larger ? ratio! : 1 / ratio!;
  const interval: [number, number] = larger
    ? interval95!
    : [1 / interval95![1], 1 / interval95![0]];
  // less of something reads as a share of the other, later and sooner as a factor
  const asFactor = up >= 1.5;
  const size = asFactor
    ? `${formatRatio(up)} ${formatInterval(interval)}`
    : `${formatPercent(share(larger, up))} [${formatPercent(share(larger, interval[0]))}, ${formatPercent(share(larger, interval[1]))}]`;
  return `${wording.subject} ${size} ${larger ? wording.larger : wording.smaller}`;
}

/** "x % more" is ratio − 1, "x % less" is 1 − ratio. */
function share(larger: boolean, up: number): number {
  return larger ? up - 1 : 1 - 1 / up;
}

function signed([lower, upper]: readonly [number, number]): string {
  const one = (ratio: number) => `${ratio >= 1 ? '+' : '−'}${formatPercent(Math.abs(ratio - 1))}`;
  return `[${one(lower)}, ${one(upper)}]`;
}

function emulatedLabel({ a }: PairResult, { subjects }: Comparison): string {
  return subjects.find(({ label }) => label === a)?.emulated
    ? 'emulated'
    : 'against an emulated one';
}
