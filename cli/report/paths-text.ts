/** What `probe --paths` prints: one column a path, each figure beside its ratio to the cheapest. */
import Table from 'cli-table3';
import type { PathFigure } from '../bench/path-costs.ts';
import { isUnavailable } from '../record/measured.ts';
import type { PathCost, ProbeRecord } from '../record/schema.ts';
import { ROUNDS_FOR_INFERENCE } from '../stats/paired.ts';
import type { Summary } from '../stats/summary.ts';
import { MAX_WIDTH, widthOf } from './table.ts';
import { plainText } from './text.ts';
import { boundMark, formatIn, formatInterval, formatRatio, scaleFor, type Unit } from './units.ts';

interface Row {
  figure: PathFigure;
  name: string;
  unit: Unit;
}

const ROWS: readonly Row[] = [
  { figure: 'firstValidReplyMs', name: 'First valid reply', unit: 'ms' },
  { figure: 'responseP50Us', name: 'Response, median', unit: 'us' },
  { figure: 'responseP99Us', name: 'Response, p99', unit: 'us' },
  { figure: 'saturationPerSecond', name: 'Throughput at saturation', unit: 'per-second' },
  { figure: 'cpuMsPer1000Requests', name: 'CPU per 1,000 requests', unit: 'ms-per-1000' },
  { figure: 'helpersCpuMsPer1000Requests', name: '  of that, helpers', unit: 'ms-per-1000' },
];

/** @throws Error for a record that has no paths */
export function formatPaths(record: ProbeRecord): string {
  const { paths, pathPlan, target } = record;
  if (paths === undefined || pathPlan === undefined) throw new Error('a record without paths');
  const { ratePerSecond, rounds, durationMs, saturationMs } = pathPlan;
  const lines: string[] = [
    `${target.name}${target.provider ? ` (${target.provider})` : ''}: ${paths.length} ${paths.length === 1 ? 'path' : 'paths'}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of fresh deployments; open loop at ${ratePerSecond} requests/s for ${durationMs / 1000} s, closed loop for ${saturationMs / 1000} s`,
  ];
  if (target.acceleration === 'tcg') {
    lines.push('emulated: no hardware acceleration; says nothing about VMs in general');
  }
  lines.push('', figureTable(paths), '', ...readingAid(paths));
  if (record.interrupted) lines.push('interrupted: the rounds so far');
  for (const warning of record.warnings) lines.push(`warning    ${plainText(warning)}`);
  return lines.join('\n');
}

/** A ratio stands beside its figure, or below it where that would be too wide, its interval below that. */
function figureTable(paths: readonly PathCost[]): string {
  const shapes = [
    figureCells(paths, '  ', ' '),
    figureCells(paths, '\n', ' '),
    figureCells(paths, '\n', '\n'),
  ];
  const [head, ...rows] = shapes.find((each) => widthOf(each) <= MAX_WIDTH) ?? shapes.at(-1)!;
  const table = new Table({ head: head!, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}

function figureCells(
  paths: readonly PathCost[],
  beforeRatio: string,
  beforeInterval: string,
): string[][] {
  const head = [
    'Figure',
    'Unit',
    ...paths.map(({ path, cheapest }) => (cheapest ? `${path} ¹` : path)),
  ];
  const rows = ROWS.map((row) => {
    const medians = paths.map(({ figures }) => medianOf(figures[row.figure]!));
    const scale = scaleFor(
      row.unit,
      medians.filter((each) => each !== null),
    );
    return [
      row.name,
      scale.suffix,
      ...paths.map((path, i) => {
        const median = medians[i]!;
        if (median === null) return 'unavailable';
        const { atLeast, void: voided } = path.figures[row.figure]!;
        const figure = `${boundMark(atLeast > 0)}${formatIn(median, scale)}`;
        if (voided > 0) return `${figure} (void)`;
        const ratio = ratioOf(path, row.figure, beforeInterval);
        return ratio === '' ? figure : `${figure}${beforeRatio}${ratio}`;
      }),
    ];
  });
  return [head, ...rows];
}

/** Helpers have no ratio of their own: where a path has none, it would be one against nothing. */
function ratioOf({ ratios }: PathCost, figure: PathFigure, beforeInterval: string): string {
  const entry = ratios[figure];
  if (entry === undefined || figure === 'helpersCpuMsPer1000Requests') return '';
  if (isUnavailable(entry.ratio)) return '';
  // an interval of two or three rounds says nothing; the record has it
  const concludes = entry.interval95 !== null && entry.reason === null;
  const interval = concludes ? `${beforeInterval}${formatInterval(entry.interval95!)}` : '';
  return `${formatRatio(entry.ratio as number)}${interval}`;
}

function medianOf({ summary }: PathCost['figures'][string]): number | null {
  return isUnavailable(summary) ? null : (summary as Summary).median;
}

function readingAid(paths: readonly PathCost[]): string[] {
  const rounds = Math.min(...paths.map(({ trials }) => trials.length));
  const lines: string[] = [];
  if (paths.length === 1) {
    lines.push(`${paths[0]!.path} is its only path here: nothing to compare`);
  } else if (paths.some(({ cheapest }) => cheapest)) {
    lines.push('¹ cheapest: least CPU per 1,000 requests; the others with their ratio to it');
  }
  lines.push('median of the rounds; CPU of the target with its helpers (shim, proxy, tunnel)');
  const figures = paths.flatMap((path) => Object.values(path.figures));
  if (figures.some(({ atLeast }) => atLeast > 0)) {
    lines.push('≥ at least: the generator was the limit, or requests were not answered');
  }
  if (figures.some((each) => each.void > 0)) {
    lines.push('(void): the generator was the limit, so this is not the path’s latency');
  }
  if (paths.length > 1) {
    lines.push(
      rounds < ROUNDS_FOR_INFERENCE
        ? `no inference: ${rounds} of the ${ROUNDS_FOR_INFERENCE} rounds that a conclusion needs`
        : 'with 95 % intervals; exploratory: the cheapest path was picked by these same rounds',
    );
  }
  for (const { row, reason } of missing(paths))
    lines.push(`unavailable: ${row}: ${plainText(reason)}`);
  return lines;
}

function missing(paths: readonly PathCost[]): Array<{ row: string; reason: string }> {
  return ROWS.flatMap(({ figure, name }) => {
    const reasons = paths.flatMap(({ figures }) => {
      const { summary } = figures[figure]!;
      return isUnavailable(summary) ? [summary.unavailable] : [];
    });
    return [...new Set(reasons)].map((reason) => ({ row: name.trim(), reason }));
  });
}
