/** One comparison, five formats. HTML draws pictures and is loaded only when it is asked for. */

import { renderCsv } from './csv.ts';
import { renderJson } from './json.ts';
import { renderMarkdown } from './markdown.ts';
import type { Comparison } from './model.ts';
import { renderTable } from './table.ts';

export type Format = 'table' | 'markdown' | 'json' | 'csv' | 'html';

export interface RenderOptions {
  /** ANSI colours; only on a terminal, never with NO_COLOR. */
  color: boolean;
  /** Columns of the terminal; tables never use more than 100. */
  width: number;
  /** HTML: a link from the page to a raw record, where it will lie beside it. */
  linkTo?: (recordId: string) => string | null;
  /** Markdown: the summary picture, relative to where the text will lie. */
  picture?: string;
}

export function renderComparison(
  comparison: Comparison,
  format: Exclude<Format, 'html'>,
  options: RenderOptions,
): string;
export function renderComparison(
  comparison: Comparison,
  format: Format,
  options: RenderOptions,
): string | Promise<string>;
export function renderComparison(
  comparison: Comparison,
  format: Format,
  options: RenderOptions,
): string | Promise<string> {
  switch (format) {
    case 'table':
      return renderTable(comparison, options);
    case 'markdown':
      return renderMarkdown(comparison, options);
    case 'json':
      return renderJson(comparison);
    case 'csv':
      return renderCsv(comparison);
    case 'html':
      return import('./html/page.ts').then(({ renderHtml }) => renderHtml(comparison, options));
  }
}
