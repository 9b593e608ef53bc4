/** How it was done: method, order, voided rounds, environment, raw records. */
import type { Comparison } from '../model.ts';
import { formatDuration, formatPercent } from '../units.ts';
import { excludedWords, gateWords, nameOf } from '../wording.ts';
import { html, type Markup, table } from './markup.ts';
import type { HtmlOptions } from './page.ts';

export function methodSection(comparison: Comparison, options: HtmlOptions): Markup {
  return html`<section id="section-method"><h2>Method, environment, raw records</h2>
${method(comparison)}
${list('Gates', gateWords(comparison), null)}
${list('Voided rounds', excludedWords(comparison), 'No round was voided.')}
${list('Notes', comparison.notes, null)}
${list('Warnings', comparison.warnings, null)}
<h3>Environment</h3>
${table(
  'Environment',
  ['What', 'Value'],
  comparison.environment.rows.map(({ name, value }) => [name, value]),
)}
${order(comparison)}
${records(comparison, options)}
</section>
`;
}

function method({ bench, margin, inference, comparisons, subjects }: Comparison): Markup {
  const rounds =
    bench === null
      ? html`<p>These records were not made by one bench: they are compared as they are.</p>`
      : html`<p>One fresh deployment is one trial: start-up, ${formatDuration(bench.durationMs)} of load at ${bench.ratePerSecond} requests/s in an open loop with latency counted from the intended time, then saturation, then shutdown. A round holds every target once, in random balanced order from seed ${bench.seed}; ${bench.roundsUsed} of ${bench.roundsPlanned} planned rounds are used.</p>`;
  return html`${rounds}
${subjects.length < 2 ? '' : html`<p>Each round gives one ratio per pair. Their centre is the Hodges–Lehmann estimate of the logarithms, with the exact signed-rank interval (below six rounds: paired t, no verdict). The margin of ±${formatPercent(margin)} was declared before: a 90 % interval inside it means equivalent, a 95 % interval outside of it means different. ${comparisons > 0 ? `${comparisons} comparisons of primary metrics were corrected after Holm.` : ''} ${inference.allowed ? '' : `No inference is drawn: ${inference.reason}.`}</p>`}`;
}

function list(title: string, items: readonly string[], none: string | null): Markup | '' {
  if (items.length === 0) return none === null ? '' : html`<h3>${title}</h3><p>${none}</p>`;
  return html`<h3>${title}</h3><ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}

function order(comparison: Comparison): Markup | '' {
  const { bench } = comparison;
  if (bench === null) return '';
  return html`<h3>Order of the rounds</h3><details><summary>${bench.schedule.length} rounds</summary>${table(
    'Order of the rounds',
    ['Round', 'Order'],
    bench.schedule.map((labels, i) => [
      i + 1,
      labels.map((label) => nameOf(label, comparison)).join(', '),
    ]),
  )}</details>`;
}

function records(comparison: Comparison, { linkTo }: HtmlOptions): Markup {
  const shown = comparison.metrics.filter(({ role }) => role === 'primary');
  const rows = comparison.trials.map((trial) => {
    const href = linkTo?.(trial.recordId) ?? null;
    const name =
      href === null
        ? html`<code>${trial.recordId}</code>`
        : html`<a href="${href}"><code>${trial.recordId}</code></a>`;
    return [
      name,
      trial.side === 'baseline' ? `${trial.label} (baseline)` : trial.label,
      trial.round ?? '–',
      trial.slot ?? '–',
      trial.startedAt,
      ...shown.map(({ id }) => {
        const value = trial.values[id];
        if (value === undefined) return '–';
        return typeof value === 'number'
          ? String(Number(value.toPrecision(6)))
          : `unavailable: ${value.unavailable}`;
      }),
      trial.excluded === null ? 'used' : `not used: ${trial.excluded}`,
    ];
  });
  const head = [
    'Record',
    'Target',
    'Round',
    'Slot',
    'Started',
    ...shown.map(({ name, unit }) => `${name} (${unit})`),
    'Use',
  ];
  return html`<h3>Raw records</h3><p>${linkTo === undefined ? 'Figures in base units; the records lie where this report was made.' : 'Figures in base units; the links lead to the records beside this page.'}</p><details><summary>${rows.length} records</summary>${table('Raw records', head, rows)}</details>`;
}
