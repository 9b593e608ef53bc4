/**
 * The report: one file that needs nothing else. The first screen has the question, the answers, the
 * noise floor and what could not be measured; pictures and tables follow.
 */
import { createHash } from 'node:crypto';
import type { Comparison } from '../model.ts';
import { formatDuration, formatPercent } from '../units.ts';
import { controlAlarms, subjectName } from '../wording.ts';
import { answersSection } from './answers.ts';
import { memoryPicture, storagePicture } from './cost-pictures.ts';
import { ecdfPicture, heatPictures, percentilePicture } from './latency-pictures.ts';
import { html, type Markup, trusted } from './markup.ts';
import { methodSection } from './method.ts';
import { figure, type Picture } from './pictures.ts';
import { ratioPictures } from './ratio-pictures.ts';
import { type SubjectSeries, seriesOf } from './series.ts';
import { startPictures } from './start-pictures.ts';
import { SCRIPT, STYLE } from './style.ts';
import { figuresSection, verdictsSection } from './tables.ts';
import { timePicture } from './time-picture.ts';

export interface HtmlOptions {
  /** A link to the raw record, relative to where the page will lie; null: no link. */
  linkTo?: (recordId: string) => string | null;
}

/** The whole page as one string; under 1 MB for a full bench. */
export function renderHtml(comparison: Comparison, options: HtmlOptions = {}): string {
  const series = seriesOf(comparison);
  const title = `${comparison.question} · scratchpad`;
  const sections = [
    pictureSection('ratios', 'Ratios', ratioPictures(comparison)),
    pictureSection('start-up', 'Start-up', startPictures(series)),
    pictureSection('latency', 'Latency', latencyPictures(series)),
    pictureSection('time', 'Over time', [timePicture(series)]),
    pictureSection('cost', 'Memory and storage', [
      memoryPicture(comparison),
      storagePicture(comparison),
    ]),
    section('figures', 'All figures', figuresSection(comparison)),
    section('verdicts', 'Verdicts', verdictsSection(comparison)),
    section('method', 'Method, environment, raw records', methodSection(comparison, options)),
  ].filter((each) => each !== null);
  const body = html`<header>
<div class="top"><p class="brand">scratchpad report</p>${tools(comparison)}</div>
<h1>${comparison.question}</h1>
<p class="facts">${factsOf(comparison)}</p>
${[...comparison.banners, ...controlAlarms(comparison)].map((line) => html`<p class="banner">${line}</p>`)}
</header>
<main>
${answersSection(comparison)}
${navigation(sections)}
${sections.map(({ markup }) => markup)}
</main>
<footer><p>Made by scratchpad from the records named above; every figure can be made again from them.</p></footer>`;
  return page(title, body);
}

/** A document around `body` whose policy allows its own style and script and nothing else. */
export function page(title: string, body: Markup): string {
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${sha256(STYLE)}'`,
    `script-src 'sha256-${sha256(SCRIPT)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `${
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
${body}
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.text
  }`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

function latencyPictures(series: SubjectSeries[]): Picture[] {
  const some = series.some(({ trials }) => trials.some(({ load }) => load !== null));
  return some ? [percentilePicture(series), ecdfPicture(series), ...heatPictures(series)] : [];
}

interface Section {
  id: string;
  title: string;
  markup: Markup;
}

/** Null where there is nothing in it: then no link leads to it either. */
function section(id: string, title: string, markup: Markup | ''): Section | null {
  return markup === '' ? null : { id, title, markup };
}

function pictureSection(
  id: string,
  title: string,
  pictures: Array<Picture | null>,
): Section | null {
  const drawn = pictures.filter((picture) => picture !== null);
  if (drawn.length === 0) return null;
  const markup = html`<section id="section-${id}"><h2>${title}</h2><div class="figures">${drawn.map(figure)}</div></section>
`;
  return { id, title, markup };
}

function tools({ subjects }: Comparison): Markup {
  const focus =
    subjects.length > 1
      ? subjects.map(
          (subject, i) =>
            html`<button type="button" data-series="${i % 8}" aria-pressed="false">${subjectName(subject)}</button>`,
        )
      : '';
  return html`<div class="tools js-only" role="group" aria-label="View">${focus}<button type="button" id="tables" aria-pressed="false">All tables</button><button type="button" id="theme">Dark</button></div>`;
}

function factsOf({ environment, bench, subjects, margin }: Comparison): string {
  const facts = [environment.summary];
  if (bench !== null) {
    facts.push(
      new Date(bench.startedAt).toISOString().slice(0, 16).replace('T', ' ').concat(' UTC'),
      `${bench.roundsUsed} of ${bench.roundsPlanned} rounds of ${subjects.length} deployments, ${formatDuration(bench.durationMs)} of load each`,
      `seed ${bench.seed}`,
    );
  }
  facts.push(`margin ±${formatPercent(margin)}`);
  return facts.join(' · ');
}

function navigation(sections: readonly Section[]): Markup {
  return html`<nav aria-label="Sections">${sections.map(
    ({ id, title }) => html`<a href="#section-${id}">${title}</a>`,
  )}</nav>`;
}
