/** The first screen: one sentence per claim, the noise floor, and what could not be measured. */
import type { Claim } from '../claims.ts';
import type { Comparison } from '../model.ts';
import { noiseFloorOf, notEstablishedWords } from '../noise-floor.ts';
import { boundMark, formatAway, formatRatio, formatValue } from '../units.ts';
import { nameOf } from '../wording.ts';
import { html, type Markup } from './markup.ts';

const CHIPS: Record<Claim['kind'], string> = {
  difference: 'differs',
  none: 'no difference',
  unclear: 'unclear',
  silent: 'no inference',
};

export function answersSection(comparison: Comparison): Markup {
  const { claims, subjects } = comparison;
  const reference = subjects.find(({ role }) => role === 'baseline')?.label;
  const first = claims.filter(({ emulated, b }) => !emulated && (b === reference || !reference));
  const emulated = claims.filter((claim) => claim.emulated && claim.b === reference);
  const others = claims.filter((claim) => !first.includes(claim) && !emulated.includes(claim));
  return html`<section class="answers" id="section-answers" aria-label="Answers">
<div>
<h2>Answers</h2>
${claims.length === 0 ? keyFigures(comparison) : ''}
${first.length > 0 ? claimList(first) : ''}
${
  emulated.length > 0
    ? html`<h3>Emulated, so nothing follows for VMs in general</h3>${claimList(emulated)}`
    : ''
}
${
  others.length > 0
    ? html`<details><summary>${others.length} more, between the others</summary>${claimList(others)}</details>`
    : ''
}
</div>
<aside aria-label="Limits of these answers">
${subjects.length > 1 ? html`<h2>Noise floor</h2>${noiseFloor(comparison)}` : ''}
<h2>What this host could not measure</h2>
${
  comparison.notMeasured.length === 0
    ? html`<p>Nothing is missing.</p>`
    : html`<ul>${comparison.notMeasured.map((line) => html`<li>${line}</li>`)}</ul>`
}
</aside>
</section>
`;
}

const KEY_FIGURES = ['latency-mean', 'latency-median', 'latency-p95', 'delivered', 'errors'];

/** Of a single record there is nothing to compare: what it measured is the answer. */
function keyFigures({ metrics, subjects }: Comparison): Markup {
  const [subject] = subjects;
  const rows = metrics.flatMap((metric) => {
    if (metric.role !== 'primary' && !KEY_FIGURES.includes(metric.id)) return [];
    const figures = metric.subjects.find(({ label }) => label === subject?.label);
    const summary = figures?.summary ?? null;
    if (summary === null) return [];
    const bound = boundMark((figures?.lowerBounds ?? 0) > 0);
    const spread =
      typeof summary.stddev === 'number'
        ? ` ± ${formatValue(summary.stddev, metric.unit)} in ${summary.n} trials`
        : '';
    return [
      html`<li><span>${metric.name}</span><span>${bound}${formatValue(summary.median, metric.unit)}${spread}</span></li>`,
    ];
  });
  return html`<p>One target, so nothing to compare. What was measured:</p><ul class="claims measured">${rows}</ul>`;
}

function claimList(claims: Claim[]): Markup {
  return html`<ul class="claims">${claims.map(
    ({ kind, sentence }) =>
      html`<li><span class="chip ${kind}">${CHIPS[kind]}</span><span>${sentence}</span></li>`,
  )}</ul>`;
}

function noiseFloor(comparison: Comparison): Markup {
  const floor = noiseFloorOf(comparison);
  if (floor === null) return html`<p>Not known: no second, identical deployment ran.</p>`;
  const { entries } = floor;
  const names = `${nameOf(floor.a, comparison)} and ${nameOf(floor.b, comparison)}`;
  const known = entries.filter(({ floorRatio }) => floorRatio !== null);
  const open = entries.filter(({ floorRatio }) => floorRatio === null);
  return html`${
    known.length === 0
      ? ''
      : html`<p>Two identical deployments (${names}) may differ by up to:</p>
<dl>${known.map(({ name, floorRatio }) => html`<dt>${name}</dt><dd>${formatAway(floorRatio!)}</dd>`)}</dl>
<p>Smaller differences are not claimed.</p>`
  }${
    open.length === 0
      ? ''
      : html`<p>${capital(notEstablishedWords(floor))}. Two identical deployments (${names}) were seen at a ratio of:</p>
<dl>${open.map(({ name, ratio }) => html`<dt>${name}</dt><dd>${formatRatio(ratio)}</dd>`)}</dl>`
  }`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
