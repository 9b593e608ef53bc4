/** All benches of a results folder on one page: links, answers, and the trend of each metric. */
import { type ChartOption, drawChart, label, logAxis, valueAxis } from './html/chart.ts';
import { seriesColour } from './html/colours.ts';
import { html, type Markup, table } from './html/markup.ts';
import { page } from './html/page.ts';
import type { Comparison, MetricResult } from './model.ts';
import { formatRatio, formatValue, scaleFor } from './units.ts';
import { figureWords, scaleOf } from './wording.ts';

export interface IndexEntry {
  comparison: Comparison;
  /** Relative to where the index will lie. */
  reportHref: string | null;
  folderHref: string;
}

/** A bench that could not be read: it is listed with the reason, not left out. */
export interface UnreadableEntry {
  name: string;
  reason: string;
}

export function renderIndex(
  entries: readonly IndexEntry[],
  unreadable: readonly UnreadableEntry[] = [],
): string {
  const newestFirst = entries.toSorted((a, b) => startOf(b) - startOf(a));
  const body = html`<header><p class="brand">scratchpad results</p>
<h1>${entries.length} ${entries.length === 1 ? 'bench' : 'benches'}</h1>
<div class="tools js-only" role="group" aria-label="View"><button type="button" id="theme">Dark</button></div>
</header>
<main>
<section aria-label="Benches"><h2>Benches</h2>${
    entries.length === 0 ? html`<p>No bench has been run here yet.</p>` : benchTable(newestFirst)
  }</section>
${unreadable.length === 0 ? '' : html`<section><h2>Not readable</h2><ul>${unreadable.map(({ name, reason }) => html`<li>${name}: ${reason}</li>`)}</ul></section>`}
${trends(newestFirst.toReversed())}
</main>
<footer><p>Trends connect benches of one machine only; two benches are two days, not two rounds: read their difference with care.</p></footer>`;
  return page('scratchpad results', body);
}

function startOf({ comparison }: IndexEntry): number {
  return Date.parse(comparison.bench?.startedAt ?? comparison.trials[0]?.startedAt ?? '');
}

function primary({ metrics }: Comparison): MetricResult[] {
  return metrics.filter(({ role }) => role === 'primary');
}

function benchTable(entries: IndexEntry[]): Markup {
  const ids = [
    ...new Set(entries.flatMap(({ comparison }) => primary(comparison).map((m) => m.id))),
  ];
  const names = ids.map(
    (id) =>
      entries.flatMap(({ comparison }) => comparison.metrics).find((m) => m.id === id)?.name ?? id,
  );
  const rows = entries.map(({ comparison, reportHref, folderHref }) => {
    const { bench, subjects } = comparison;
    const id = bench?.id ?? 'bench';
    const cells = ids.map((metricId) => {
      const metric = comparison.metrics.find((m) => m.id === metricId);
      const lines = (metric?.pairs ?? [])
        .filter(({ b, ratio }) => b === subjects[0]?.label && ratio !== null)
        .map(
          ({ a, ratio, claimed, emulated }) =>
            html`<div>${a}${emulated ? ' (emulated)' : ''} ${claimed ? html`<b>${formatRatio(ratio!)}</b>` : formatRatio(ratio!)}</div>`,
        );
      return html`<td>${lines.length === 0 ? '–' : lines}</td>`;
    });
    return [
      html`<a href="${reportHref ?? folderHref}">${id}</a>`,
      (bench?.startedAt ?? '').slice(0, 16).replace('T', ' '),
      `${bench?.roundsUsed ?? 0} of ${bench?.roundsPlanned ?? 0}`,
      limitsOf(comparison),
      ...cells,
    ];
  });
  return html`<p class="source">Ratios against the first target of each bench; bold: a claimed difference.</p>${table(
    'Benches, newest first',
    ['Bench', 'Started (UTC)', 'Rounds', 'Limits', ...names],
    rows,
  )}`;
}

/** In a word or two; the report says it in full. */
function limitsOf({ bench, inference, subjects, forced }: Comparison): string {
  return [
    bench?.quick ? 'quick' : '',
    inference.allowed ? '' : 'no inference',
    subjects.some(({ emulated }) => emulated) ? 'emulated VM' : '',
    forced ? 'forced' : '',
  ]
    .filter((each) => each !== '')
    .join(', ');
}

/** Of each machine with two benches or more; figures of different machines are never joined. */
function trends(entries: IndexEntry[]): Markup | '' {
  const machines = new Map<string, IndexEntry[]>();
  for (const entry of entries) {
    const { fingerprint } = entry.comparison.environment;
    machines.set(fingerprint, [...(machines.get(fingerprint) ?? []), entry]);
  }
  const groups = [...machines.values()].filter((group) => group.length > 1);
  if (groups.length === 0) return '';
  const alone = machines.size - groups.length;
  return html`<section><h2>Trends</h2>${groups.map(trendsOfMachine)}${
    alone === 0
      ? ''
      : html`<p class="source">benches of other machines, not drawn: ${alone} (one bench each)</p>`
  }</section>`;
}

/** One picture per primary metric: the median of each target, bench by bench. */
function trendsOfMachine(entries: IndexEntry[]): Markup {
  const labels = [
    ...new Set(
      entries.flatMap(({ comparison }) =>
        comparison.subjects.filter(({ role }) => role !== 'control').map((each) => each.label),
      ),
    ),
  ];
  const last = entries.at(-1)!.comparison;
  return html`<p class="source">${last.environment.summary}: ${entries.length} benches.</p>
<div class="figures">${primary(last).map((metric) => trend(metric, labels, entries))}</div>`;
}

function trend(metric: MetricResult, labels: string[], entries: IndexEntry[]): Markup {
  const figureOf = ({ comparison }: IndexEntry, subject: string) =>
    comparison.metrics
      .find(({ id }) => id === metric.id)
      ?.subjects.find((each) => each.label === subject);
  const points = labels.map((subject) =>
    entries.map((entry) => figureOf(entry, subject)?.summary?.median ?? null),
  );
  const known = points.flat().filter((value) => value !== null);
  if (known.length === 0) return html``;
  const scale = scaleFor(metric.unit, known);
  const positive = known.filter((value) => value > 0);
  const apart = Math.max(...known) / Math.min(...positive);
  const log = apart > 8;
  const shown = (value: number | null) =>
    value === null || (log && value <= 0) ? null : log ? Math.log10(value) : value / scale.divisor;
  const option: ChartOption = {
    grid: { left: 76, right: 30, top: 14, bottom: 44 },
    xAxis: {
      type: 'category',
      data: entries.map(({ comparison }) =>
        (comparison.bench?.startedAt ?? '').slice(5, 16).replace('T', '\n'),
      ),
      axisLabel: label,
      axisTick: { show: false },
    },
    yAxis: log
      ? logAxis('', [Math.min(...positive) * 0.8, Math.max(...known) * 1.25], (value) =>
          formatValue(value, metric.unit)
            .replace(/(\.\d*?)0+(?= )/, '$1')
            .replace('. ', ' '),
        )
      : valueAxis('', {
          min: 0,
          axisLabel: {
            ...label,
            formatter: (value: number) => `${value.toLocaleString('en-US')} ${scale.suffix}`,
          },
        }),
    series: labels.map((_, i) => ({
      type: 'line',
      silent: true,
      symbol: 'circle',
      symbolSize: 6,
      connectNulls: false,
      lineStyle: { color: seriesColour(i), width: 2 },
      itemStyle: { color: seriesColour(i) },
      data: points[i]!.map(shown),
    })),
  };
  const named = (subject: string) =>
    entries.some(({ comparison }) =>
      comparison.subjects.some((each) => each.label === subject && each.emulated),
    )
      ? `${subject} (emulated)`
      : subject;
  const words = labels
    .map((subject, i) => {
      const values = points[i]!.filter((value) => value !== null);
      return values.length === 0
        ? `${named(subject)}: no figure`
        : `${named(subject)}: ${formatValue(values[0]!, metric.unit)} first, ${formatValue(values.at(-1)!, metric.unit)} last`;
    })
    .join('; ');
  const rows = entries.map((entry) => [
    entry.comparison.bench?.id ?? 'bench',
    ...labels.map((subject) => figureWords(figureOf(entry, subject), scaleOf(metric))),
  ]);
  return html`<figure class="half"><figcaption><h3>${metric.name}</h3><p>Median of the trials of each bench${log ? ', log axis' : ''}; ${entries.length} benches.</p></figcaption>
<ul class="legend">${labels.map((subject, i) => html`<li><i class="s${i % 8}"></i>${named(subject)}</li>`)}</ul>
<div class="picture" role="group" aria-label="${metric.name}" tabindex="0">${drawChart(option, { width: 620, height: 280 }, `Line chart. ${words}.`)}</div>
<details><summary>Table</summary>${table(metric.name, ['Bench', ...labels.map((l) => `${named(l)} (${scaleOf(metric).suffix})`)], rows)}</details></figure>`;
}
