/** HTML that is escaped by construction: only what `html` itself made goes in unescaped. */
import { htmlText } from '../text.ts';

const MAX_TEXT = 4000;

export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

type Part = Markup | string | number | null | undefined | false | Part[];

export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(strings.reduce((text, string, i) => text + render(parts[i - 1]) + string));
}

/** Text that is HTML already and was made by code of ours: styles, scripts, SVG. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function render(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (Array.isArray(part)) return part.map(render).join('');
  if (part === null || part === undefined || part === false) return '';
  const text = String(part);
  // htmlText trims, and a sentence that is put together from parts needs its spaces
  const [before] = text.match(/^\s/) ?? [''];
  const [after] = text.trim() === '' ? [''] : (text.match(/\s$/) ?? ['']);
  return `${before && ' '}${htmlText(text, MAX_TEXT)}${after && ' '}`;
}

/** JSON inside a `<script type="application/json">`: nothing in it can end the element. */
export function embeddedJson(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replace(/</g, '\\u003c'));
}

export function table(
  caption: string,
  head: readonly string[],
  rows: ReadonlyArray<readonly (string | number | Markup)[]>,
): Markup {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([first, ...cells]) =>
      html`<tr><th scope="row">${first}</th>${cells.map((cell) =>
        cell instanceof Markup && cell.text.startsWith('<td') ? cell : html`<td>${cell}</td>`,
      )}</tr>
`,
  )}</tbody></table></div>`;
}
