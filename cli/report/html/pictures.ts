/** A picture with its title, unit, N, source, and the table behind it. */
import type { ChartOption, ChartSize } from './chart.ts';
import { drawChart } from './chart.ts';
import { html, type Markup, table } from './markup.ts';

export interface Picture {
  id: string;
  title: string;
  /** One or two sentences: what it shows, unit, N. */
  caption: string;
  /** Which field of which record it is drawn from. */
  source: string;
  /** In words, for those who do not see it. */
  alternative: string;
  option: ChartOption | null;
  /** Why there is no picture, where `option` is null. */
  missing?: string;
  size: ChartSize;
  wide?: boolean;
  legend?: Array<{ className: string; text: string }>;
  data: { head: string[]; rows: Array<Array<string | number>> };
}

export const HALF: ChartSize = { width: 620, height: 340 };

export function figure(picture: Picture): Markup {
  const { id, title, caption, source, alternative, option, missing, size, wide, data } = picture;
  const drawn =
    option === null
      ? html`<p class="missing">${missing ?? 'no data'}</p>`
      : drawChart(option, size, alternative);
  return html`<figure id="${id}" class="${wide ? 'wide' : 'half'}">
<figcaption><h3>${title}</h3><p>${caption}</p></figcaption>
${legendOf(picture)}
<div class="picture" role="group" aria-label="${title}" tabindex="0">${drawn}</div>
${data.rows.length === 0 ? '' : html`<details><summary>Table</summary>${table(title, data.head, data.rows)}</details>`}
<p class="source">Data: ${source}</p>
</figure>
`;
}

function legendOf({ legend, option }: Picture): Markup | '' {
  if (legend === undefined || option === null) return '';
  return html`<ul class="legend">${legend.map(
    ({ className, text }) => html`<li><i class="${className}"></i>${text}</li>`,
  )}</ul>`;
}
