/**
 * Markdown for a README or a pull request, in the order of the predecessor's report template:
 * answers, environment, start-up, runtime; then verdicts and what limits them.
 */
import type { Comparison, MetricResult } from './model.ts';
import { markdownText as text } from './text.ts';
import {
  boundMark,
  formatDuration,
  formatIn,
  formatInterval,
  formatP,
  formatPercent,
  formatRatio,
} from './units.ts';
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

export function renderMarkdown(
  comparison: Comparison,
  { picture }: { picture?: string } = {},
): string {
  const { metrics, subjects } = comparison;
  const startUp = metrics.filter(({ id, group }) => group === 'start-up' || id === 'memory-ready');
  const runtime = metrics.filter((metric) => !startUp.includes(metric));
  const sections = [
    `# ${text(comparison.question)}`,
    ...[...comparison.banners, ...controlAlarms(comparison)].map((line) => `> **${text(line)}**`),
    answers(comparison),
    picture === undefined ? '' : `![Ratios with their intervals](${picture})`,
    `## Environment\n\n${environmentTable(comparison)}`,
    startUp.length === 0 ? '' : `## Start-up\n\n${figureTable(startUp, comparison)}`,
    runtime.length === 0 ? '' : `## Runtime\n\n${figureTable(runtime, comparison)}`,
    subjects.length > 1 ? verdicts(comparison) : '',
    bullets('Gates', gateWords(comparison)),
    detail(comparison),
    bullets('Not measured on this host', comparison.notMeasured),
    bullets('Voided rounds', excludedWords(comparison)),
    bullets('Notes', comparison.notes),
    bullets('Warnings', comparison.warnings),
    method(comparison),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function answers(comparison: Comparison): string {
  const lines = comparison.claims.map(({ sentence }) => `- ${text(sentence)}`);
  const floor = noiseFloorWords(comparison);
  if (floor !== null) lines.push('', text(floor, 1000));
  return lines.length === 0 ? '' : `## Answers\n\n${lines.join('\n')}`;
}

function table(head: string[], rows: string[][], numeric = false): string {
  const rule = head.map((_, i) => (numeric && i > 0 ? '---:' : '---'));
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function environmentTable({ environment, bench }: Comparison): string {
  const rows = environment.rows.map(({ name, value }) => [text(name), text(value)]);
  rows.unshift(['Host', text(environment.summary)]);
  if (bench !== null) {
    rows.push(['Bench', text(`${bench.id}, started ${bench.startedAt}`)]);
    rows.push([
      'Load',
      text(
        `${formatDuration(bench.durationMs)} a trial at ${bench.ratePerSecond} requests/s (open loop), then saturation`,
      ),
    ]);
  }
  return table(['', ''], rows);
}

function figureTable(metrics: MetricResult[], { subjects }: Comparison): string {
  const head = ['Metric', 'Unit', ...subjects.map((each) => text(subjectName(each), 60))];
  const rows = metrics.map((metric) => {
    const scale = scaleOf(metric);
    const cells = subjects.map(({ label }) => {
      const words = figureWords(
        metric.subjects.find((each) => each.label === label),
        scale,
      );
      return metric.best === label ? `**${words}** ✓` : words;
    });
    const name = metric.role === 'primary' ? `**${metric.name}**` : metric.name;
    return [name, scale.suffix, ...cells];
  });
  const spread = subjects.some(({ trials }) => trials > 1)
    ? ' ± standard deviation between trials'
    : '';
  const counts = [...new Set(subjects.map(({ trials }) => trials))].join(', ');
  const legend = `Median of ${counts} ${counts === '1' ? 'trial' : 'trials'}${spread}. Primary metrics in bold; ✓ better than every other by a claimed difference.`;
  return `${table(head, rows, true)}\n\n${legend}`;
}

function verdicts(comparison: Comparison): string {
  const rows = comparison.metrics.flatMap((metric) =>
    metric.pairs.flatMap((pair) => {
      if (pair.ratio === null) return [];
      const words = verdictWords(pair, comparison.margin);
      return [
        [
          metric.role === 'primary' ? `**${metric.name}**` : metric.name,
          `${text(nameOf(pair.a, comparison), 60)} ÷ ${text(nameOf(pair.b, comparison), 60)}`,
          formatRatio(pair.ratio),
          pair.interval95 === null ? '–' : text(formatInterval(pair.interval95)),
          `${pair.wins}/${pair.n}`,
          pair.pValue === null || pair.verdict === 'no-inference' ? '–' : formatP(pair.pValue),
          pair.holmPValue === null ? '–' : formatP(pair.holmPValue),
          pair.claimed ? `**${text(words)}**` : text(words),
        ],
      ];
    }),
  );
  if (rows.length === 0) return '';
  const head = ['Metric', 'Pair', 'Ratio', '95 % interval', 'Wins', 'p', 'p (Holm)', 'Verdict'];
  return `## Verdicts\n\n${table(head, rows)}\n\n${VERDICT_LEGEND}`;
}

const VERDICT_LEGEND =
  'Ratios of paired rounds (Hodges–Lehmann; exact signed-rank interval; below 6 rounds paired t, no inference). Wins: rounds in which the first was better. Holm’s correction covers the primary metrics; the others are exploratory. “Inconclusive (≥ x %)”: a difference of x % would have been seen.';

/** Mean, median, p95 and standard deviation over the trials, as the predecessor's reports had. */
function detail(comparison: Comparison): string {
  const rows = comparison.metrics.flatMap((metric) => {
    const scale = scaleOf(metric);
    return metric.subjects.map(({ label, summary, unavailable, lowerBounds }) => {
      const bound = boundMark(lowerBounds > 0);
      const cells =
        summary === null
          ? ['0', ...new Array<string>(6).fill('–')]
          : [
              String(summary.n),
              ...[summary.mean, summary.median, summary.p95].map(
                (v) => `${bound}${formatIn(v, scale)}`,
              ),
              typeof summary.stddev === 'number' ? formatIn(summary.stddev, scale) : '–',
              formatIn(summary.min, scale),
              `${bound}${formatIn(summary.max, scale)}`,
            ];
      return [
        metric.name,
        text(nameOf(label, comparison), 60),
        scale.suffix,
        ...cells,
        text(unavailable.join('; ')),
      ];
    });
  });
  const head = [
    'Metric',
    'Target',
    'Unit',
    'Trials',
    'Mean',
    'Median',
    'p95',
    'Std dev',
    'Min',
    'Max',
    'Unavailable',
  ];
  return `<details><summary>All figures</summary>\n\n${table(head, rows)}\n\n</details>`;
}

function bullets(title: string, items: readonly string[]): string {
  return items.length === 0
    ? ''
    : `## ${title}\n\n${items.map((item) => `- ${text(item, 1000)}`).join('\n')}`;
}

function method({ bench, margin, inference }: Comparison): string {
  if (bench === null) return '';
  const order = bench.schedule.map((labels) => labels.map((label) => text(label, 40)).join(', '));
  return [
    '## Method',
    `${bench.roundsUsed} of ${bench.roundsPlanned} rounds, seed ${bench.seed}, margin ±${formatPercent(margin)} declared before. One fresh deployment is one trial; each round holds every target once.${inference.allowed ? '' : ' No inference is drawn.'}`,
    `<details><summary>Order of the rounds</summary>\n\n${order.map((line, i) => `${i + 1}. ${line}`).join('\n')}\n\n</details>`,
  ].join('\n\n');
}
