import type { Comparison } from './model.ts';

/** The comparison as it is, figures in base units; the raw records are not part of it. */
export function renderJson(comparison: Comparison): string {
  return `${JSON.stringify(comparison, null, 2)}\n`;
}
