/**
 * The comparison: from records to what may be said about them. Pure; every renderer prints this and
 * computes nothing. Figures are in base units (µs, ms, bytes, shares), ratios are a ÷ b.
 */
import { distinctLabels } from '../bench/plan.ts';
import { ScratchpadError } from '../errors.ts';
import { isUnavailable } from '../record/measured.ts';
import type { AnyRecord } from '../record/schema.ts';
import { DEFAULT_MARGIN, type PairedComparison, ROUNDS_FOR_INFERENCE } from '../stats/paired.ts';
import type { Summary } from '../stats/summary.ts';
import type { Interval } from '../stats/verdict.ts';
import { type Claim, claimsOf } from './claims.ts';
import { type Collection, collect, type Observation } from './collect.ts';
import { type Difference, describeDifference, unfitRecords } from './comparability.ts';
import { compareMetrics } from './compare-metrics.ts';
import { type Environment, environmentOf } from './environment.ts';
import type { GateResult } from './gates.ts';
import type { Origins } from './given.ts';
import { bannersOf, noteOf, notMeasuredOf, warningsOf } from './limits.ts';
import { memoryNotes } from './memory-note.ts';
import type { MetricDefinition } from './metrics.ts';
import {
  differencesOf,
  notComparable,
  onBothSides,
  requireCommonTarget,
  requireSomething,
  unfitControl,
} from './refusals.ts';

/** One column of the comparison. */
export interface Subject {
  label: string;
  /** 'control': a second, identical one, whose difference from the first is the noise floor. */
  role: 'baseline' | 'control' | 'target';
  target: string;
  provider: string | null;
  path: string;
  acceleration: string | null;
  /** True without hardware acceleration (tcg): nothing follows for VMs in general. */
  emulated: boolean;
  /** Trials that count. */
  trials: number;
}

export interface SubjectFigures {
  label: string;
  /** By block; null where the block has none. */
  values: Array<number | null>;
  summary: Summary | null;
  /** Why values are missing, each reason once. */
  unavailable: string[];
  /** Of how many trials; a block without a trial is none of them. */
  missing: number;
  /** How many of the values are only "at least". */
  lowerBounds: number;
  /** Blocks with a value beyond 5 robust sigmas: flagged and kept. */
  outliers: string[];
}

export interface PairResult extends PairedComparison {
  /** ratio = a ÷ b. */
  a: string;
  b: string;
  /** Holm's correction over all pairs × primary metrics; null for exploratory metrics. */
  holmPValue: number | null;
  /** exp |ln ratio| that the A/A control's interval reaches; null where it is not established. */
  noiseFloorRatio: number | null;
  /** Is the ratio farther from 1 than the A/A control's interval reaches? Null without a control. */
  beyondFloor: boolean | null;
  /** Verdict 'differs' (or perhaps negligibly) and not within the noise floor: may be said aloud. */
  claimed: boolean;
  /** Ratio without the blocks that hold an outlier; null where there is none. */
  ratioWithoutOutliers: number | null;
  emulated: boolean;
}

export interface MetricResult extends Omit<MetricDefinition, 'aliases'> {
  subjects: SubjectFigures[];
  pairs: PairResult[];
  /** The A/A pair: bare#2 ÷ bare. Null where no control ran. */
  control: PairResult | null;
  /** Label that is better than every other by a claimed difference; null: none is. */
  best: string | null;
}

export interface TrialRow {
  label: string;
  recordId: string;
  startedAt: string;
  kind: Observation['kind'];
  side: 'current' | 'baseline';
  round: number | null;
  slot: number | null;
  excluded: string | null;
  values: Record<string, number | { unavailable: string }>;
  /** Metrics whose value is a lower bound: the truth is at least that. */
  atLeast: string[];
}

export interface Comparison {
  schemaVersion: 1;
  kind: 'comparison';
  question: string;
  /**
   * 'targets': within one set of records. 'artifacts': built workloads within one bench. 'benches':
   * the same targets, now and before.
   */
  studies: 'targets' | 'artifacts' | 'benches';
  margin: number;
  subjects: Subject[];
  blocks: string[];
  inference: { allowed: boolean; reason: string | null };
  /** What a reader must see before any figure. */
  banners: string[];
  claims: Claim[];
  metrics: MetricResult[];
  /** Tests that Holm's correction counted. */
  comparisons: number;
  /** False where so few rounds cannot reach 5 % after Holm's correction, whatever they show. */
  holmReachable: boolean;
  differences: Difference[];
  /** True where differences were found that refuse a comparison, and --force overrode them. */
  forced: boolean;
  excludedRounds: Array<{
    side: 'current' | 'baseline';
    round: number;
    reason: string;
    labels: string[];
    /** The round was run again, and that attempt counts. */
    repeated: boolean;
  }>;
  notMeasured: string[];
  notes: string[];
  warnings: string[];
  environment: Environment;
  bench: null | {
    id: string;
    startedAt: string;
    seed: number;
    quick: boolean;
    roundsPlanned: number;
    roundsUsed: number;
    /** null: not calibrated, so that no trial stands behind it either. */
    ratePerSecond: number | null;
    durationMs: number;
    schedule: string[][];
    baselineId: string | null;
  };
  trials: TrialRow[];
  /** Results of `--fail-if`, where there were any. */
  gates?: GateResult[];
  /** The raw records, for charts. Not enumerable: never part of the JSON. */
  readonly sources: { current: readonly AnyRecord[]; baseline: readonly AnyRecord[] };
}

export interface ComparisonOptions {
  /** 0.05: differences within [1/1.05, 1.05] are negligible. */
  margin?: number;
  /** Records of an earlier bench, to compare the same targets with. */
  baseline?: readonly AnyRecord[];
  /** A bench of the same host and plan with an A/A pair: its noise floor holds for these records. */
  control?: readonly AnyRecord[];
  /** Compare what is not comparable, the warning kept. */
  force?: boolean;
  /** The file of a record, for messages. */
  origins?: Origins;
}

/**
 * @param records a bench with its trials, two benches (the older one is then the baseline), or any
 *   loads and probes
 * @throws ScratchpadError RECORDS_NOT_COMPARABLE with the list of differences in `details`, unless
 *   `force`; RECORD_NOT_FOUND where there is nothing to compare
 */
export function buildComparison(
  records: readonly AnyRecord[],
  { margin = DEFAULT_MARGIN, baseline, control, force = false, origins }: ComparisonOptions = {},
): Comparison {
  if (!(margin > 0 && margin < 1)) {
    throw new ScratchpadError('BAD_FLAG', `The margin must lie between 0 and 1, not ${margin}`, {
      hint: 'Write it as a share: 0.05 for ±5 %.',
    });
  }
  const sides = baseline ? { now: records, before: baseline } : splitBenches(records);
  const current = collect(sides.now, force, origins);
  const earlier = sides.before === null ? null : collect(sides.before, force, origins);
  requireSomething(current);
  if (earlier !== null) {
    requireSomething(earlier);
    requireCommonTarget(current, earlier);
  }

  const studies =
    earlier !== null ? 'benches' : current.bench?.plan['artifacts'] ? 'artifacts' : 'targets';
  const compared = studies === 'benches' || current.labels.length > 1;
  const differences = compared ? differencesOf(current, earlier) : [];
  const refused = differences.filter(({ severity }) => severity === 'refuse');
  const unfit = compared
    ? [...unfitRecords(current), ...(earlier === null ? [] : unfitRecords(earlier))]
    : [];
  const aa = control === undefined ? null : collect(control, force, origins);
  const reasons = [
    ...refused.map(describeDifference),
    ...(earlier === null ? [] : onBothSides(current, earlier)),
    ...unfit,
    ...(aa === null ? [] : unfitControl(current, aa)),
  ];
  if (reasons.length > 0 && !force) throw notComparable(reasons, refused);

  const result = compareMetrics(current, earlier, margin, aa);
  const emulated = result.subjects.filter((subject) => subject.emulated).map(({ label }) => label);
  const comparison: Comparison = {
    schemaVersion: 1,
    kind: 'comparison',
    question: questionOf(current, studies),
    studies,
    margin,
    subjects: result.subjects,
    blocks: result.blocks,
    inference: inferenceOf(current, earlier, result.blocks.length),
    banners: [],
    claims: [],
    metrics: result.metrics,
    comparisons: result.comparisons,
    holmReachable: (result.smallestPValue ?? 1) * result.comparisons <= 0.05,
    differences,
    forced: reasons.length > 0,
    excludedRounds: [
      ...current.excludedRounds.map((each) => ({ side: 'current' as const, ...each })),
      ...(earlier?.excludedRounds ?? []).map((each) => ({ side: 'baseline' as const, ...each })),
    ],
    notMeasured: notMeasuredOf(current, emulated, result.metrics),
    notes: [
      ...differences.filter(({ severity }) => severity === 'note').map(noteOf),
      ...memoryNotes(result.metrics),
    ],
    warnings: warningsOf(current, earlier, reasons),
    environment: environmentOf(current),
    bench: benchOf(current, earlier, result.blocks.length),
    trials: [...rowsOf(current, 'current'), ...(earlier ? rowsOf(earlier, 'baseline') : [])],
    sources: { current: sides.now, baseline: sides.before ?? [] },
  };
  Object.defineProperty(comparison, 'sources', { enumerable: false });
  comparison.banners = bannersOf(comparison, emulated, current);
  comparison.claims = claimsOf(comparison);
  return comparison;
}

/** Two benches among the records: the one that began first is the baseline. */
function splitBenches(records: readonly AnyRecord[]): {
  now: readonly AnyRecord[];
  before: readonly AnyRecord[] | null;
} {
  const benches = records.filter((record) => record.kind === 'bench');
  const ids = new Set(benches.map(({ id }) => id));
  if (ids.size !== 2) return { now: records, before: null };
  const [before] = benches.toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  const isBefore = (record: AnyRecord) =>
    record.kind === 'trial' ? record.benchId === before!.id : record.id === before!.id;
  return {
    now: records.filter((record) => !isBefore(record)),
    before: records.filter(isBefore),
  };
}

function questionOf({ labels, bench, observations }: Collection, studies: string): string {
  const names = distinctLabels(labels);
  const rate = bench?.plan.ratePerSecond ?? null;
  const at = rate === null ? '' : ` at ${rate} requests/s`;
  if (studies === 'benches') return `Has anything changed since the baseline${at}?`;
  if (studies === 'artifacts' && names.length > 1) {
    return `Does ${names.slice(1).join(', ')} cost more than ${names[0]} on this machine${at}?`;
  }
  if (names.length > 1) {
    const last = names.at(-1);
    return `For this app on this machine, what do ${names.slice(0, -1).join(', ')} and ${last} cost${at}?`;
  }
  const target = addressOf(observations[0]) ?? names[0];
  return `What does ${target} cost for this app on this machine${at}?`;
}

/** A server that was not deployed by us has no name but its address. */
function addressOf(observation: Observation | undefined): string | undefined {
  const target = observation?.conditions.target;
  if (target?.name !== 'url' || isUnavailable(target.url)) return target?.name;
  try {
    return new URL(String(target.url)).host;
  } catch {
    return target.name;
  }
}

function inferenceOf(
  current: Collection,
  earlier: Collection | null,
  blocks: number,
): Comparison['inference'] {
  const reason = current.noInference ?? earlier?.noInference ?? null;
  const enough = blocks >= ROUNDS_FOR_INFERENCE;
  if (enough && reason === null) return { allowed: true, reason: null };
  // of a quick bench too few rounds are the nearer reason, of loose records how they were made
  if (reason !== null && (enough || current.origin === 'loose')) return { allowed: false, reason };
  return {
    allowed: false,
    reason: `${blocks} ${blocks === 1 ? 'round' : 'rounds'}, and a verdict needs ${ROUNDS_FOR_INFERENCE}`,
  };
}

function benchOf(
  { bench }: Collection,
  earlier: Collection | null,
  roundsUsed: number,
): Comparison['bench'] {
  if (bench === null) return null;
  return {
    id: bench.id,
    startedAt: bench.startedAt,
    seed: bench.seed,
    quick: bench.quick,
    roundsPlanned: bench.roundsPlanned,
    roundsUsed,
    ratePerSecond: bench.plan.ratePerSecond,
    durationMs: bench.plan.durationMs,
    schedule: bench.schedule,
    baselineId: earlier?.bench?.id ?? null,
  };
}

function rowsOf({ observations }: Collection, side: TrialRow['side']): TrialRow[] {
  return observations.map((observation) => ({
    label: observation.label,
    recordId: observation.recordId,
    startedAt: observation.startedAt,
    kind: observation.kind,
    side,
    round: observation.round,
    slot: observation.slot,
    excluded: observation.excluded,
    values: Object.fromEntries(
      [...observation.figures.values].map(([id, value]) => [
        id,
        isUnavailable(value) ? value : (value as number),
      ]),
    ),
    atLeast: [...observation.figures.lowerBounds],
  }));
}

export type { Claim, Difference, Environment, Interval };
