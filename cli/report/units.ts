/** The one place where figures are scaled. Records and the model hold base units only. */

/** `us`, `ms`: durations. `bytes`. `per-second`: requests/s. `share`: 0 … 1. `ms-per-1000`: CPU. */
export type Unit = 'us' | 'ms' | 'bytes' | 'per-second' | 'share' | 'ms-per-1000' | 'count';

export interface Scale {
  /** Divide by this before printing. */
  divisor: number;
  suffix: string;
}

/** The scale for a whole row, so that its figures can be compared by eye: from the largest one. */
export function scaleFor(unit: Unit, values: readonly number[]): Scale {
  const largest = Math.max(0, ...values.map(Math.abs));
  switch (unit) {
    case 'us':
      if (largest >= 1e6) return { divisor: 1e6, suffix: 's' };
      return largest >= 1000 ? { divisor: 1000, suffix: 'ms' } : { divisor: 1, suffix: 'µs' };
    case 'ms':
      return largest >= 10_000 ? { divisor: 1000, suffix: 's' } : { divisor: 1, suffix: 'ms' };
    case 'bytes':
      if (largest >= 2 ** 30) return { divisor: 2 ** 30, suffix: 'GiB' };
      if (largest >= 2 ** 20) return { divisor: 2 ** 20, suffix: 'MiB' };
      return largest >= 1024 ? { divisor: 1024, suffix: 'KiB' } : { divisor: 1, suffix: 'B' };
    case 'per-second':
      return { divisor: 1, suffix: 'req/s' };
    case 'share':
      return { divisor: 0.01, suffix: '%' };
    case 'ms-per-1000':
      return { divisor: 1, suffix: 'ms' };
    case 'count':
      return { divisor: 1, suffix: '' };
  }
}

/** Three significant digits, no exponent, thousands apart: `0.0123`, `1.23`, `12.3`, `12,345`. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return Math.round(value).toLocaleString('en-US');
  if (magnitude < 0.0005) return '< 0.001';
  const decimals = magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : magnitude >= 0.1 ? 3 : 4;
  return value.toFixed(decimals);
}

/** Stands before a figure whose truth is at least that. */
export function boundMark(isBound: boolean): string {
  return isBound ? '≥ ' : '';
}

export function formatIn(value: number, scale: Scale): string {
  return digits(value / scale.divisor);
}

/** A figure by itself, with its unit: `12.3 ms`. */
export function formatValue(value: number, unit: Unit): string {
  const scale = scaleFor(unit, [value]);
  return `${formatIn(value, scale)}${scale.suffix === '' ? '' : ` ${scale.suffix}`}`;
}

/** A ratio: `3.14×`, `0.987×`, `31.4×`. */
export function formatRatio(ratio: number): string {
  return `${ratioDigits(ratio)}×`;
}

export function ratioDigits(ratio: number): string {
  if (!Number.isFinite(ratio)) return '–';
  if (ratio >= 100) return Math.round(ratio).toLocaleString('en-US');
  if (ratio >= 10) return ratio.toFixed(1);
  if (ratio >= 2) return ratio.toFixed(2);
  if (ratio >= 0.1) return ratio.toFixed(3);
  return ratio.toPrecision(2);
}

/** `[0.975, 1.031]`; one that spans four decades says little, and is cut: `[< 0.001, > 1,000]`. */
export function formatInterval([lower, upper]: readonly [number, number]): string {
  const hopeless = upper / lower > 1e4;
  const from = hopeless && lower < 0.001 ? '< 0.001' : ratioDigits(lower);
  const to = hopeless && upper > 1000 ? '> 1,000' : ratioDigits(upper);
  return `[${from}, ${to}]`;
}

/** How far a ratio is from 1, as a share: 0.04 → `4 %`, 0.004 → `0.4 %`. */
export function formatPercent(share: number): string {
  const percent = share * 100;
  const magnitude = Math.abs(percent);
  const text = percent.toFixed(magnitude >= 10 ? 0 : magnitude >= 0.95 ? 1 : 2);
  return `${text.replace(/\.0+$/, '')} %`;
}

/** How far from 1 a ratio above 1 is: `4 %`, and from a doubling on as a factor. */
export function formatAway(ratio: number): string {
  return ratio < 2 ? formatPercent(ratio - 1) : formatRatio(ratio);
}

/** `0.031`, `< 0.001`. */
export function formatP(p: number): string {
  if (p < 0.001) return '< 0.001';
  return p >= 0.995 ? '1' : p.toFixed(p < 0.1 ? 3 : 2);
}

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? '' : ` ${rest} s`}`;
}
