/**
 * README's "Latest results", made from a bench: its limits first, then ratios with intervals and
 * verdicts, then the picture. Every word comes from the records. Pure.
 */
import type { Comparison } from '../cli/report/model.ts';
import { markdownText as inline } from '../cli/report/text.ts';
import {
  boundMark,
  formatDuration,
  formatIn,
  formatInterval,
  formatRatio,
} from '../cli/report/units.ts';
import {
  controlAlarms,
  nameOf,
  noiseFloorWords,
  scaleOf,
  verdictWords,
} from '../cli/report/wording.ts';

export const NO_RESULTS =
  'No results are kept in this repository yet: run `scratchpad bench` for those of your machine.';

/**
 * @param folder of the kept bench, relative to the README: `docs/results/2026-11-24-bare-docker-vm`
 * @param hasPicture false where one target ran: there is no ratio to draw
 */
export function resultsSection(
  comparison: Comparison,
  folder: string,
  hasPicture: boolean,
): string {
  return [
    limits(comparison),
    table(comparison),
    noiseFloorWords(comparison) ?? '',
    hasPicture ? `![Ratios of the targets with their 95 % intervals](${folder}/summary.svg)` : '',
    source(comparison, folder),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** What a reader must know before the first figure. */
function limits(comparison: Comparison): string {
  const { environment, banners, notMeasured, excludedRounds, metrics } = comparison;
  // the reasons of single figures are in the report; what the host itself could not do is said here
  const ofHost = notMeasured.filter((line) => !metrics.some(({ name }) => line.startsWith(name)));
  const lines = [
    `One machine: ${environment.summary}.`,
    ...[...banners, ...controlAlarms(comparison)],
    ...ofHost.map((line) => `Not measured: ${line}.`),
    ...(excludedRounds.length === 0
      ? []
      : [`${excludedRounds.length} of the rounds were voided by a gate; they are kept.`]),
  ];
  return `**Its limits first:**\n\n${lines.map((line) => `- ${inline(line, 1000)}`).join('\n')}`;
}

/** The primary metrics, each target against the first one. */
function table(comparison: Comparison): string {
  const { metrics, subjects, margin } = comparison;
  const reference = subjects.find(({ role }) => role === 'baseline')?.label;
  const rows = metrics
    .filter(({ role }) => role === 'primary')
    .flatMap((metric) =>
      metric.pairs
        .filter(({ b, ratio }) => b === reference && ratio !== null)
        .map((pair) => {
          const scale = scaleOf(metric, [pair.a, pair.b]);
          const median = (label: string) => {
            const figures = metric.subjects.find((each) => each.label === label);
            const bound = boundMark((figures?.lowerBounds ?? 0) > 0);
            return `${bound}${formatIn(figures!.summary!.median, scale)}`;
          };
          return [
            metric.name,
            `${inline(nameOf(pair.a, comparison), 60)} ÷ ${inline(nameOf(pair.b, comparison), 60)}`,
            `${median(pair.a)} ÷ ${median(pair.b)} ${scale.suffix}`.trim(),
            formatRatio(pair.ratio!),
            pair.interval95 === null ? '–' : inline(formatInterval(pair.interval95)),
            pair.claimed
              ? `**${inline(verdictWords(pair, margin))}**`
              : inline(verdictWords(pair, margin)),
          ];
        }),
    );
  if (rows.length === 0) return figuresAlone(comparison);
  const head = ['Metric', 'Pair', 'Medians', 'Ratio', '95 % interval', 'Verdict'];
  return markdownTable(head, rows);
}

/** Where one target ran, there is nothing to form a ratio with. */
function figuresAlone({ metrics, subjects }: Comparison): string {
  const rows = metrics
    .filter(({ role }) => role === 'primary')
    .flatMap((metric) => {
      const scale = scaleOf(metric);
      return metric.subjects.flatMap(({ label, summary }) =>
        summary === null || subjects.find((each) => each.label === label)?.role === 'control'
          ? []
          : [
              [
                metric.name,
                inline(label, 60),
                `${formatIn(summary.median, scale)} ${scale.suffix}`,
              ],
            ],
      );
    });
  return markdownTable(['Metric', 'Target', 'Median'], rows);
}

function markdownTable(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function source({ bench, sources }: Comparison, folder: string): string {
  const commit = sources.current.find(({ kind }) => kind === 'bench')?.host['gitCommit'];
  const made = typeof commit === 'string' ? `, at commit ${inline(commit.slice(0, 7))}` : '';
  const how =
    bench === null
      ? ''
      : `Bench ${inline(bench.id)}: ${bench.roundsUsed} of ${bench.roundsPlanned} rounds, ${formatDuration(bench.durationMs)} of load a trial at ${bench.ratePerSecond} requests/s, seed ${bench.seed}${made}. `;
  return `${how}[Report](${folder}/report.md), [the same as a page](${folder}/report.html), [raw records and figures](${folder}).`;
}
