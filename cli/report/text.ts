/**
 * Names come from records, and records come from anywhere: every string is made harmless for the
 * place it is printed in. Control characters, terminal escapes and bidirectional overrides never
 * leave this file.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const TERMINAL_ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/g;
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+/g;

/** One line of visible characters, at most `limit` long. */
export function plainText(text: string, limit = 400): string {
  const line = text.replace(TERMINAL_ESCAPES, '').replace(INVISIBLE, ' ').trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

/** Text inside a Markdown table cell or list item: no markup, no HTML, no link, no mention. */
export function markdownText(text: string, limit?: number): string {
  return plainText(text, limit)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_{}[\]|~#!]/g, '\\$&')
    .replace(/@/g, '&#64;')
    .replace(/(https?):\/\//gi, '$1:&#47;&#47;');
}

/** Text or a quoted attribute in HTML and SVG. */
export function htmlText(text: string, limit?: number): string {
  return plainText(text, limit)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}

/** A CSV field (RFC 4180). Text that a spreadsheet would run as a formula is defused. */
export function csvField(value: string | number | boolean | null): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = plainText(value);
  const defused = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(defused) ? `"${defused.replace(/"/g, '""')}"` : defused;
}
