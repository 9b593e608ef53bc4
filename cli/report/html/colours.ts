/**
 * The pictures are drawn once and shown in light, dark and print: they are drawn in stand-in colours
 * that are then replaced by CSS variables. Series colours are those of Okabe & Ito, which people with
 * any colour vision can tell apart; darker or lighter by theme.
 */
export const SERIES_COUNT = 8;
export const HEAT_COUNT = 7;
export const PHASE_COUNT = 6;

const NAMED = ['ink', 'muted', 'grid', 'band', 'floor', 'paper', 'alert'] as const;
type Named = (typeof NAMED)[number];

function standIn(group: number, index: number): string {
  return `#5e${group.toString(16).padStart(2, '0')}${index.toString(16).padStart(2, '0')}`;
}

export function seriesColour(index: number): string {
  return standIn(0x10, index % SERIES_COUNT);
}
export function heatColour(index: number): string {
  return standIn(0x20, index);
}
export function phaseColour(index: number): string {
  return standIn(0x30, index % PHASE_COUNT);
}
export function colour(name: Named): string {
  return standIn(0x40, NAMED.indexOf(name));
}

const VARIABLES = new Map<string, string>([
  ...Array.from({ length: SERIES_COUNT }, (_, i) => [seriesColour(i), `var(--s${i})`] as const),
  ...Array.from({ length: HEAT_COUNT }, (_, i) => [heatColour(i), `var(--h${i})`] as const),
  ...Array.from({ length: PHASE_COUNT }, (_, i) => [phaseColour(i), `var(--p${i})`] as const),
  ...NAMED.map((name) => [colour(name), `var(--${name})`] as const),
]);

/** Stand-ins as the renderer may write them: `#5e1000` or `rgb(94,16,0)`. */
export function withVariables(svg: string): string {
  return svg.replace(/#5e[0-9a-f]{4}|rgb\(94,\s*\d+,\s*\d+\)/g, (found) => {
    const hex = found.startsWith('#')
      ? found
      : `#${(found.match(/\d+/g) ?? []).map((n) => Number(n).toString(16).padStart(2, '0')).join('')}`;
    return VARIABLES.get(hex) ?? found;
  });
}
