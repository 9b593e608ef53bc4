/** Every metric of every subject, and every pair of subjects, over the same blocks. */
import { originalOf } from '../bench/plan.ts';
import { isUnavailable } from '../record/measured.ts';
import { holm } from '../stats/holm.ts';
import { outlierIndices } from '../stats/outliers.ts';
import { comparePaired, type PairedComparison } from '../stats/paired.ts';
import { summarize } from '../stats/summary.ts';
import type { Collection, Observation } from './collect.ts';
import { METRICS, type MetricDefinition } from './metrics.ts';
import type { MetricResult, PairResult, Subject, SubjectFigures } from './model.ts';
import { away, establishedFloor } from './noise-floor.ts';

export interface MetricsResult {
  subjects: Subject[];
  blocks: string[];
  metrics: MetricResult[];
  comparisons: number;
  /** The least two-sided p that so many blocks can give; null where nothing is inferred. */
  smallestPValue: number | null;
}

/** A column: a label of the current side or of the baseline, with its observation by block. */
interface Column {
  subject: Subject;
  byBlock: Array<Observation | undefined>;
}

export function compareMetrics(
  current: Collection,
  earlier: Collection | null,
  margin: number,
  aa: Collection | null = null,
): MetricsResult {
  const columns = earlier === null ? columnsOf(current, null) : bothColumns(current, earlier);
  const blocks = current.blocks.slice(0, Math.max(0, ...columns.map((c) => c.byBlock.length)));
  const pairs = pairsOf(columns, earlier !== null);
  const control = controlPair(columns);
  const controlElsewhere =
    aa === null
      ? null
      : new Map(compareMetrics(aa, null, margin).metrics.map((each) => [each.id, each.control]));
  const blockNames = blocks.map(({ name }) => name);
  const noInference = current.noInference ?? earlier?.noInference ?? null;

  const metrics = METRICS.flatMap((definition): MetricResult[] => {
    const figures = columns.map((column) => figuresOf(column, definition, blocks));
    if (figures.every((each) => each === null)) return [];
    const at = (column: Column) => figures[columns.indexOf(column)] ?? null;
    const compare = ([a, b]: [Column, Column], floor: Floor): PairResult[] => {
      const [first, second] = [at(a), at(b)];
      if (first === null || second === null) return [];
      const context = { definition, margin, noInference, floor, blockNames };
      return [pairResult(a, b, first, second, context)];
    };
    const controlResult =
      controlElsewhere !== null
        ? (controlElsewhere.get(definition.id) ?? null)
        : control === null
          ? null
          : (compare(control, NO_FLOOR)[0] ?? null);
    const floor = floorOf(controlResult);
    const { aliases: _aliases, ...definitionOut } = definition;
    const results = pairs.flatMap((pair) => compare(pair, floor));
    return [
      {
        ...definitionOut,
        subjects: figures.filter((each) => each !== null),
        pairs: results,
        control: controlResult,
        best: bestOf(columns, results, definition.better),
      },
    ];
  });

  const family = metrics
    .filter(({ role }) => role === 'primary')
    .flatMap((metric) => metric.pairs)
    .filter(({ pValue, method }) => pValue !== null && method === 'signed-rank');
  holm(family.map(({ pValue }) => pValue!)).forEach((adjusted, i) => {
    family[i]!.holmPValue = adjusted;
  });
  return {
    subjects: columns.map(({ subject }) => subject),
    blocks: blockNames,
    metrics,
    comparisons: family.length,
    smallestPValue: family.length === 0 ? null : 2 * 0.5 ** blocks.length,
  };
}

function columnsOf({ labels, blocks }: Collection, suffix: string | null): Column[] {
  const named = new Set(labels);
  return labels.map((label) => {
    const byBlock = blocks.map(({ byLabel }) => byLabel.get(label));
    const target = byBlock.find((each) => each !== undefined)?.conditions.target;
    const original = originalOf(label);
    const isControl = original !== label && named.has(original);
    const role = isControl ? 'control' : label === labels[0] ? 'baseline' : 'target';
    const acceleration = target?.acceleration ?? null;
    return {
      byBlock,
      subject: {
        label: suffix === null ? label : `${label} ${suffix}`,
        role: suffix === null ? role : 'baseline',
        target: target?.name ?? original,
        provider: target?.provider ?? null,
        path: target?.path ?? 'unknown',
        acceleration,
        emulated: acceleration === 'tcg',
        trials: byBlock.filter((each) => each !== undefined).length,
      },
    };
  });
}

/** Now and before, side by side; blocks are paired in the order of the rounds. */
function bothColumns(current: Collection, earlier: Collection): Column[] {
  const rounds = Math.min(current.blocks.length, earlier.blocks.length);
  const before = columnsOf(earlier, '(baseline)');
  return columnsOf(current, null).flatMap((column) => {
    const partner = before.find(
      ({ subject }) => subject.label === `${column.subject.label} (baseline)`,
    );
    if (partner === undefined) return [];
    if (column.subject.role === 'baseline') column.subject.role = 'target';
    return [column, partner].map((each) => ({ ...each, byBlock: each.byBlock.slice(0, rounds) }));
  });
}

function pairsOf(columns: Column[], twoBenches: boolean): Array<[Column, Column]> {
  const usable = columns.filter(({ subject }) => subject.role !== 'control');
  if (twoBenches) {
    return usable.flatMap((column, i): Array<[Column, Column]> => {
      const next = usable[i + 1];
      const matches = next?.subject.label === `${column.subject.label} (baseline)`;
      return matches ? [[column, next!]] : [];
    });
  }
  // later ÷ earlier: docker ÷ bare, vm ÷ bare, vm ÷ docker
  return usable.flatMap((b, i) => usable.slice(i + 1).map((a): [Column, Column] => [a, b]));
}

function controlPair(columns: Column[]): [Column, Column] | null {
  const control = columns.find(({ subject }) => subject.role === 'control');
  const original = columns.find(
    ({ subject }) => control !== undefined && subject.label === originalOf(control.subject.label),
  );
  return control === undefined || original === undefined ? null : [control, original];
}

function figuresOf(
  { subject, byBlock }: Column,
  { id }: MetricDefinition,
  blocks: Collection['blocks'],
): SubjectFigures | null {
  const found = blocks.map((_, i) => byBlock[i]?.figures.values.get(id));
  if (found.every((each) => each === undefined)) return null;
  const values = found.map((each) =>
    each === undefined || isUnavailable(each) ? null : (each as number),
  );
  const known = values.filter((each) => each !== null);
  const at = values.flatMap((value, i) => (value === null ? [] : [i]));
  return {
    label: subject.label,
    values,
    summary: known.length === 0 ? null : summarize(known),
    unavailable: [
      ...new Set(found.flatMap((each) => (isUnavailable(each) ? [each.unavailable] : []))),
    ],
    missing: found.filter((each) => isUnavailable(each)).length,
    lowerBounds: byBlock.filter((each) => each?.figures.lowerBounds.has(id)).length,
    outliers: outlierIndices(known).map((i) => blocks[at[i]!]!.name),
  };
}

interface PairContext {
  definition: MetricDefinition;
  margin: number;
  /** Why nothing is inferred from these records; null: it may be. */
  noInference: string | null;
  floor: Floor;
  blockNames: string[];
}

function pairResult(
  a: Column,
  b: Column,
  first: SubjectFigures,
  second: SubjectFigures,
  { definition, margin, noInference, floor, blockNames }: PairContext,
): PairResult {
  const { better } = definition;
  let compared = comparePaired(first.values, second.values, { margin, better });
  if (!definition.hasRatio) {
    compared = silent(compared, 'compared as counts: zero is a usual value, so there is no ratio');
    compared.ratio = null;
    compared.interval95 = null;
    compared.interval90 = null;
  } else if (noInference !== null) {
    compared = silent(compared, compared.reason ?? noInference);
  } else if (boundsSpoil(compared, first.lowerBounds, second.lowerBounds)) {
    const count = first.lowerBounds + second.lowerBounds;
    compared = silent(compared, `${count} of the values are only lower bounds`);
  }
  const differs =
    compared.verdict === 'differs' || compared.verdict === 'differs-perhaps-negligibly';
  const beyondFloor =
    floor.guard === null || compared.ratio === null ? null : away(compared.ratio) > floor.guard;
  const flagged = new Set([...first.outliers, ...second.outliers]);
  const kept = blockNames.flatMap((name, i) => (flagged.has(name) ? [] : [i]));
  return {
    ...compared,
    a: a.subject.label,
    b: b.subject.label,
    holmPValue: null,
    noiseFloorRatio: floor.established,
    beyondFloor,
    claimed: differs && beyondFloor !== false,
    ratioWithoutOutliers:
      flagged.size === 0 || compared.ratio === null ? null : ratioOver(kept, first, second, better),
    emulated: a.subject.emulated || b.subject.emulated,
  };
}

function silent(compared: PairedComparison, reason: string): PairedComparison {
  return {
    ...compared,
    verdict: 'no-inference',
    pValue: null,
    equivalencePValue: null,
    detectableRatio: null,
    reason: compared.ratio === null && compared.reason !== null ? compared.reason : reason,
  };
}

/**
 * Values that are "at least" can only make the true difference larger where they stand on the
 * larger side. Anywhere else they could hide or invent one.
 */
function boundsSpoil({ ratio, verdict }: PairedComparison, inA: number, inB: number): boolean {
  if (ratio === null || inA + inB === 0) return false;
  const differs = verdict === 'differs' || verdict === 'differs-perhaps-negligibly';
  return !differs || (ratio > 1 ? inB > 0 : inA > 0);
}

function ratioOver(
  indices: number[],
  first: SubjectFigures,
  second: SubjectFigures,
  better: 'lower' | 'higher',
): number | null {
  const of = (figures: SubjectFigures) => indices.map((i) => figures.values[i] ?? null);
  return comparePaired(of(first), of(second), { better }).ratio;
}

interface Floor {
  /** What is printed; null where too few rounds stand behind it. */
  established: number | null;
  /** What a claim must exceed: an interval of few rounds is wide, which only holds claims back. */
  guard: number | null;
}

const NO_FLOOR: Floor = { established: null, guard: null };

/** The far end of the A/A interval: two identical deployments were seen to differ by as much. */
function floorOf(control: PairResult | null): Floor {
  if (control?.interval95 == null) return NO_FLOOR;
  return {
    established: establishedFloor(control),
    guard: Math.max(...control.interval95.map(away)),
  };
}

function bestOf(columns: Column[], pairs: PairResult[], better: 'lower' | 'higher'): string | null {
  const labels = columns
    .filter(({ subject }) => subject.role !== 'control')
    .map(({ subject }) => subject.label);
  const beats = (label: string, { a, b, ratio, verdict, claimed }: PairResult): boolean => {
    if (!claimed || ratio === null || verdict !== 'differs') return false;
    const aIsBetter = better === 'lower' ? ratio < 1 : ratio > 1;
    return (aIsBetter ? a : b) === label;
  };
  const winner = labels.find((label) => {
    const own = pairs.filter(({ a, b }) => a === label || b === label);
    return own.length > 0 && own.length === labels.length - 1 && own.every((p) => beats(label, p));
  });
  return winner ?? null;
}
