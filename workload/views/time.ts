/** A moment, absolute for the record and relative for people. */
import { type Html, html } from './html.ts';

const STEPS: ReadonlyArray<[limitSeconds: number, secondsEach: number, unit: string]> = [
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [86_400 * 30, 86_400, 'day'],
  [86_400 * 365, 86_400 * 30, 'month'],
  [Number.POSITIVE_INFINITY, 86_400 * 365, 'year'],
];

/** `5 minutes ago`; a moment in the future (a clock that was set back) is `just now`. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = (nowMs - thenMs) / 1000;
  if (seconds < 60) return 'just now';
  for (const [limit, each, unit] of STEPS) {
    if (seconds < limit) {
      const n = Math.floor(seconds / each);
      return `${n} ${unit}${n === 1 ? '' : 's'} ago`;
    }
  }
  return '';
}

const STORED = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

/** `YYYY-MM-DD HH:MM:SS` in UTC &rarr; ISO 8601; null where the column holds something else. */
export function toIso(created: string): string | null {
  return STORED.test(created) ? `${created.slice(0, 10)}T${created.slice(11)}Z` : null;
}

/** Milliseconds since the epoch &rarr; what the column `created` holds. */
export function toStored(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

export function moment(created: string, nowMs: number): Html {
  const iso = toIso(created);
  if (iso === null) return html`<span>${created}</span>`;
  return html`<time datetime="${iso}">${created} UTC &middot; ${ago(Date.parse(iso), nowMs)}</time>`;
}
