/** All figures and all verdicts as tables. `data-value` holds the figure in its base unit. */
import type { Comparison, MetricResult } from '../model.ts';
import { formatInterval, formatP, formatRatio } from '../units.ts';
import { figureWords, nameOf, scaleOf, subjectName, verdictWords } from '../wording.ts';
import { html, type Markup } from './markup.ts';

export function figuresSection(comparison: Comparison): Markup {
  const { subjects, metrics } = comparison;
  const counts = [...new Set(subjects.map(({ trials }) => trials))].join(', ');
  return html`<section id="section-figures"><h2>All figures</h2>
<p class="source">Median of ${counts} ${counts === '1' ? 'trial' : 'trials'}, ± standard deviation between them. Primary metrics in bold; ✓ better than every other by a claimed difference. Outliers are kept.</p>
<div class="scroll" role="region" aria-label="All figures" tabindex="0"><table>
<caption>Figures by target</caption>
<thead><tr><th scope="col">Metric</th><th scope="col">Unit</th>${subjects.map((each) => html`<th scope="col" class="n">${subjectName(each)}</th>`)}</tr></thead>
<tbody>${metrics.map((metric) => figureRow(metric, comparison))}</tbody></table></div>
${outlierList(comparison)}</section>
`;
}

function figureRow(metric: MetricResult, { subjects }: Comparison): Markup {
  const scale = scaleOf(metric);
  return html`<tr class="${metric.role}"><th scope="row">${metric.name}</th><td>${scale.suffix}</td>${subjects.map(
    ({ label }) => {
      const figures = metric.subjects.find((each) => each.label === label);
      const best = metric.best === label;
      const value = figures?.summary?.median;
      const title = figures?.unavailable.join('; ') ?? '';
      return html`<td class="n${best ? ' best' : ''}" data-metric="${metric.id}" data-label="${label}" data-value="${value ?? ''}"${title === '' ? '' : html` title="${title}"`}>${figureWords(figures, scale)}${best ? ' ✓' : ''}</td>`;
    },
  )}</tr>
`;
}

function outlierList({ metrics }: Comparison): Markup | '' {
  const lines = metrics.flatMap(({ name, subjects, pairs }) =>
    subjects.flatMap(({ label, outliers }) => {
      if (outliers.length === 0) return [];
      const changed = pairs
        .filter(
          ({ a, b, ratioWithoutOutliers }) =>
            (a === label || b === label) && ratioWithoutOutliers !== null,
        )
        .map(
          ({ a, b, ratio, ratioWithoutOutliers }) =>
            `${a} ÷ ${b} ${formatRatio(ratio!)} with and ${formatRatio(ratioWithoutOutliers!)} without it`,
        );
      return [
        `${name}, ${label}: ${outliers.join(', ')}${changed.length === 0 ? '' : ` (${changed.join('; ')})`}`,
      ];
    }),
  );
  if (lines.length === 0) return '';
  return html`<details><summary>${lines.length} outliers, kept</summary><ul>${lines.map((line) => html`<li>${line}</li>`)}</ul></details>`;
}

export function verdictsSection(comparison: Comparison): Markup | '' {
  const { metrics, margin } = comparison;
  const rows = metrics.flatMap((metric) =>
    metric.pairs.flatMap((pair) => (pair.ratio === null ? [] : [{ metric, pair }])),
  );
  if (rows.length === 0) return '';
  const ordered = [
    ...rows.filter(({ metric }) => metric.role === 'primary'),
    ...rows.filter(({ metric }) => metric.role !== 'primary'),
  ];
  const head = ['Metric', 'Pair', 'Ratio', '95 % interval', 'Wins', 'p', 'p (Holm)', 'Verdict'];
  return html`<section id="section-verdicts"><h2>Verdicts</h2>
<p class="source">Wins: rounds in which the first was better. Holm’s correction covers the ${comparison.comparisons} comparisons of primary metrics; the others are exploratory.</p>
<div class="scroll" role="region" aria-label="Verdicts" tabindex="0"><table>
<caption>Ratios of paired rounds</caption>
<thead><tr>${head.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
<tbody>${ordered.map(({ metric, pair }) => {
    const silent = pair.verdict === 'no-inference';
    return html`<tr class="${metric.role}"><th scope="row">${metric.name}</th><td>${nameOf(pair.a, comparison)} ÷ ${nameOf(pair.b, comparison)}</td><td class="n" data-ratio="${pair.ratio}">${formatRatio(pair.ratio!)}</td><td>${pair.interval95 === null ? '–' : formatInterval(pair.interval95)}</td><td class="n">${pair.wins}/${pair.n}</td><td class="n">${silent || pair.pValue === null ? '–' : formatP(pair.pValue)}</td><td class="n">${pair.holmPValue === null ? '–' : formatP(pair.holmPValue)}</td><td>${verdictWords(pair, margin)}${silent && pair.reason ? html` <span class="source">(${pair.reason})</span>` : ''}</td></tr>
`;
  })}</tbody></table></div></section>
`;
}
