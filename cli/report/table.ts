/** The comparison for a terminal: answers first, figures and verdicts below, at most 100 columns. */
import Table from 'cli-table3';
import type { Comparison, MetricResult, PairResult, Subject } from './model.ts';
import type { RenderOptions } from './render.ts';
import { plainText } from './text.ts';
import { formatInterval, formatP, formatPercent, ratioDigits } from './units.ts';
import {
  controlAlarms,
  excludedWords,
  figureWords,
  gateWords,
  nameOf,
  noiseFloorWords,
  scaleOf,
  subjectName,
  verdictWords,
} from './wording.ts';
import { wrapText } from './wrap.ts';

export const MAX_WIDTH = 100;
const MIN_WIDTH = 60;
/** Of a name at the head of a column; figures are never cut. */
const LABEL_WIDTH = 17;
/** A border and two spaces of padding. */
const COLUMN_OVERHEAD = 3;

type Paint = (text: string) => string;
interface Colours {
  bold: Paint;
  dim: Paint;
  yellow: Paint;
  green: Paint;
}

function colours(color: boolean): Colours {
  const paint = (open: number, close: number): Paint =>
    color ? (text) => `\u001b[${open}m${text}\u001b[${close}m` : (text) => text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    yellow: paint(33, 39),
    green: paint(32, 39),
  };
}

export function renderTable(comparison: Comparison, { color, width }: RenderOptions): string {
  const columns = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, width));
  const paint = colours(color);
  const wrap = (text: string, indent = '') => wrapText(plainText(text, 2000), columns, indent);
  const list = (items: string[], bullet = '- ') =>
    items.map((item) => bullet + wrap(item, ' '.repeat(bullet.length)));

  const sections: string[] = [paint.bold(wrap(comparison.question))];
  const alerts = [...comparison.banners, ...controlAlarms(comparison)];
  if (alerts.length > 0) sections.push(alerts.map((line) => paint.yellow(wrap(line))).join('\n'));
  const answers = comparison.claims.map(({ sentence }) => sentence);
  if (answers.length > 0) sections.push(list(answers).join('\n'));
  const floor = noiseFloorWords(comparison);
  if (floor !== null) sections.push(wrap(floor));
  sections.push(figureTables(comparison, columns, paint));
  sections.push(...verdictTables(comparison, columns, paint));
  for (const [title, items] of [
    ['Gates', gateWords(comparison)],
    ['Not measured', comparison.notMeasured],
    ['Voided rounds', excludedWords(comparison)],
    ['Notes', comparison.notes],
    ['Warnings', comparison.warnings],
  ] as const) {
    if (items.length > 0) sections.push([paint.bold(title), ...list([...items])].join('\n'));
  }
  sections.push(paint.dim(wrap(originOf(comparison))));
  return `${sections.join('\n\n')}\n`;
}

/** Medians of all metrics; subjects that do not fit beside each other go into further tables. */
function figureTables(comparison: Comparison, columns: number, paint: Colours): string {
  const tables: string[] = [];
  // the control only matters as the noise floor: it is left out where it costs a second table
  const all = comparison.subjects;
  const withoutControl = all.filter(({ role }) => role !== 'control');
  const fits = (subjects: Subject[]) => widthOf(figureCells(comparison, subjects)) <= columns;
  const shown = !fits(all) && withoutControl.length > 0 ? withoutControl : all;
  for (let from = 0; from < shown.length; ) {
    let to = shown.length;
    while (to > from + 1 && !fits(shown.slice(from, to))) to--;
    const [head, ...rows] = figureCells(comparison, shown.slice(from, to), paint);
    const table = newTable(head!);
    table.push(...rows);
    tables.push(table.toString());
    from = to;
  }
  const trials = comparison.subjects.map(({ trials }) => trials);
  const spread = Math.max(...trials) > 1 ? ', ± standard deviation between them' : '';
  const marked = comparison.metrics.some(({ best }) => best !== null)
    ? '; ✓ better than every other, by a claimed difference'
    : '';
  const count = new Set(trials).size === 1 ? `${trials[0]}` : trials.join(', ');
  const legend = `Median of ${count} ${count === '1' ? 'trial' : 'trials'}${spread}; * primary${marked}`;
  return [...tables, paint.dim(wrapText(legend, columns, ''))].join('\n');
}

/** Head and rows. */
function figureCells(
  { metrics }: Comparison,
  subjects: Subject[],
  paint: Colours = colours(false),
): string[][] {
  // the first screen holds the answers and the metrics that they are about
  const rows = byRole(metrics)
    // told under "Not measured", with the reason
    .filter((metric) => !isMissing(metric, subjects))
    .map((metric) => figureRow(metric, subjects, paint));
  return [['Metric', 'Unit', ...subjects.map((s) => short(subjectName(s), LABEL_WIDTH))], ...rows];
}

/** As it is drawn, borders included; the cells are without colours. */
export function widthOf(table: readonly string[][]): number {
  const widths = table[0]!.map((_, column) =>
    Math.max(...table.flatMap((row) => row[column]!.split('\n').map((line) => [...line].length))),
  );
  return widths.reduce((sum, width) => sum + width + COLUMN_OVERHEAD, 1);
}

function isMissing(metric: MetricResult, subjects: Subject[]): boolean {
  return subjects.every(({ label }) => {
    const figures = metric.subjects.find((each) => each.label === label);
    return figures === undefined || (figures.summary === null && figures.unavailable.length > 0);
  });
}

function figureRow(metric: MetricResult, subjects: Subject[], paint: Colours): string[] {
  const labels = subjects.map(({ label }) => label);
  const scale = scaleOf(metric, labels);
  const cells = labels.map((label) => {
    const figures = metric.subjects.find((each) => each.label === label);
    const text = figureWords(figures, scale);
    return metric.best === label ? paint.green(`${text} ✓`) : text;
  });
  return [metricName(metric), scale.suffix, ...cells];
}

function metricName({ name, role }: MetricResult): string {
  return role === 'primary' ? `${name} *` : name;
}

/**
 * One table a pair, the primary metrics first. Where nothing is inferred, a verdict on each row
 * would say the same: the title says it once, and the exploratory ratios are left to other formats.
 */
function verdictTables(comparison: Comparison, columns: number, paint: Colours): string[] {
  const pairs = new Map<string, { a: string; b: string }>();
  for (const { pairs: results } of comparison.metrics) {
    for (const { a, b } of results) pairs.set(`${a} ÷ ${b}`, { a, b });
  }
  return [...pairs.values()].flatMap(({ a, b }) => {
    const all = byRole(comparison.metrics).flatMap((metric) => {
      const pair = metric.pairs.find((each) => each.a === a && each.b === b);
      return pair === undefined || pair.ratio === null ? [] : [{ metric, pair }];
    });
    if (all.length === 0) return [];
    const silent = all.every(({ pair }) => pair.verdict === 'no-inference');
    const primary = all.filter(({ metric }) => metric.role === 'primary');
    const rows = silent && primary.length > 0 ? primary : all;
    const cells = (bold: Paint, { leftOut, stacked }: Narrowing): string[][] => {
      const fields = rows.map(({ metric, pair }): Record<string, string> => {
        const verdict = verdictWords(pair, comparison.margin);
        return {
          Metric: metricName(metric),
          'Ratio [95 % interval]': ratioWords(pair, stacked ? '\n' : ' '),
          Wins: `${pair.wins}/${pair.n}`,
          'p (Holm)': holmWords(pair),
          Verdict: pair.claimed ? bold(verdict) : verdict,
        };
      });
      const head = Object.keys(fields[0]!).filter((name) => !leftOut.includes(name));
      return [head, ...fields.map((row) => head.map((name) => row[name]!))];
    };
    // other formats have all columns; what is said of each pair here is its ratio and the verdict
    const judged = silent ? ['p (Holm)', 'Verdict'] : [];
    const narrower: Narrowing[] = [
      { leftOut: judged, stacked: false },
      { leftOut: [...judged, 'Wins'], stacked: false },
      { leftOut: [...judged, 'Wins', 'p (Holm)'], stacked: false },
      { leftOut: [...judged, 'Wins', 'p (Holm)'], stacked: true },
    ];
    const shape =
      narrower.find((each) => widthOf(cells((text) => text, each)) <= columns) ?? narrower.at(-1)!;
    const [head, ...lines] = cells(paint.bold, shape);
    const table = newTable(head!);
    table.push(...lines);
    const title = `${plainText(nameOf(a, comparison), 40)} ÷ ${plainText(nameOf(b, comparison), 40)}`;
    const left = all.length - rows.length;
    return [
      `${paint.bold(silent ? `${title}: no inference` : title)}\n${table.toString()}${
        left === 0
          ? ''
          : `\n${paint.dim(wrapText(`${left} more ratios, exploratory: --format markdown, csv or html`, columns, ''))}`
      }`,
    ];
  });
}

function byRole(metrics: MetricResult[]): MetricResult[] {
  return [
    ...metrics.filter(({ role }) => role === 'primary'),
    ...metrics.filter(({ role }) => role !== 'primary'),
  ];
}

/** What a table of verdicts does to fit: columns that it leaves out, the interval below its ratio. */
interface Narrowing {
  leftOut: readonly string[];
  stacked: boolean;
}

function ratioWords({ ratio, interval95 }: PairResult, separator: string): string {
  const interval = interval95 === null ? '' : `${separator}${formatInterval(interval95)}`;
  return `${ratioDigits(ratio!)}${interval}`;
}

function holmWords({ holmPValue }: PairResult): string {
  return holmPValue === null ? '' : formatP(holmPValue);
}

function originOf({ bench, environment, margin, comparisons }: Comparison): string {
  const parts = [environment.summary];
  if (bench !== null) {
    parts.push(
      `bench ${bench.id}, seed ${bench.seed}, ${bench.roundsUsed} of ${bench.roundsPlanned} rounds`,
    );
  }
  if (comparisons > 0)
    parts.push(`margin ±${formatPercent(margin)}, ${comparisons} primary comparisons`);
  return parts.join(' · ');
}

function newTable(head: string[]): Table.Table {
  // without empty styles cli-table3 writes colours into a pipe
  return new Table({ head, style: { head: [], border: [], compact: true } });
}

function short(text: string, limit: number): string {
  return plainText(text, limit);
}
