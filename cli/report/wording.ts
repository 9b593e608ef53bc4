/** Verdicts, figures and names in words, shared by the renderers. */

import type { Comparison, MetricResult, PairResult, Subject, SubjectFigures } from './model.ts';
import { noiseFloorOf, notEstablishedWords } from './noise-floor.ts';
import {
  boundMark,
  formatAway,
  formatIn,
  formatPercent,
  formatRatio,
  type Scale,
  scaleFor,
} from './units.ts';

/** `vm (emulated)`: every table that shows an emulated machine says so. */
export function subjectName({ label, emulated }: Subject): string {
  return emulated ? `${label} (emulated)` : label;
}

export function nameOf(label: string, { subjects }: Comparison): string {
  const subject = subjects.find((each) => each.label === label);
  return subject === undefined ? label : subjectName(subject);
}

/** At most 22 characters, for a table. */
export function verdictWords(pair: PairResult, margin: number): string {
  switch (pair.verdict) {
    case 'differs':
      return pair.claimed ? 'differs' : 'below the noise floor';
    case 'differs-perhaps-negligibly':
      return pair.claimed ? 'differs, maybe <margin' : 'below the noise floor';
    case 'equivalent':
      return `equivalent (±${formatPercent(margin)})`;
    case 'inconclusive':
      return `inconclusive (≥${formatAway(pair.detectableRatio ?? 1)})`;
    case 'no-inference':
      return 'no inference';
  }
}

/** One scale for the figures of `labels` that stand beside each other; all where none are named. */
export function scaleOf({ unit, subjects }: MetricResult, labels?: readonly string[]): Scale {
  return scaleFor(
    unit,
    subjects.flatMap(({ label, summary }) =>
      summary === null || (labels !== undefined && !labels.includes(label)) ? [] : [summary.median],
    ),
  );
}

/** `round 3 of the baseline: why`, for rounds and attempts that were voided. */
export function excludedWords({ excludedRounds }: Comparison): string[] {
  return excludedRounds.map(({ side, round, reason, repeated }) => {
    const of = side === 'baseline' ? ' of the baseline' : '';
    return repeated
      ? `round ${round}${of} was voided and run again: ${reason}`
      : `round ${round}${of} is not used: ${reason}`;
  });
}

/** `312 ± 4`: the median of the trials and their standard deviation; `≥` for lower bounds. */
export function figureWords(figures: SubjectFigures | undefined, scale: Scale): string {
  if (figures === undefined) return '–';
  const { summary, lowerBounds } = figures;
  if (summary === null) return 'unavailable';
  const bound = boundMark(lowerBounds > 0);
  const spread = typeof summary.stddev === 'number' ? ` ± ${formatIn(summary.stddev, scale)}` : '';
  return `${bound}${formatIn(summary.median, scale)}${spread}`;
}

/** One line, metric by metric: the noise floor, or what was seen where it is not established. */
export function noiseFloorWords(comparison: Comparison): string | null {
  const floor = noiseFloorOf(comparison);
  if (floor === null) {
    const wanted = comparison.bench !== null && comparison.subjects.length > 1;
    return wanted ? 'Noise floor: not known, no second, identical deployment ran.' : null;
  }
  const { a, b, entries } = floor;
  const known = entries.flatMap(({ phrase, floorRatio }) =>
    floorRatio === null ? [] : [`${phrase} ${formatAway(floorRatio)}`],
  );
  const open = entries.flatMap(({ phrase, ratio, floorRatio }) =>
    floorRatio === null ? [`${phrase} ${formatRatio(ratio)}`] : [],
  );
  const lines = [
    known.length === 0
      ? ''
      : `Noise floor: two identical deployments (${a} ÷ ${b}) may differ by up to: ${known.join(', ')}. Smaller differences are not claimed.`,
    open.length === 0
      ? ''
      : `Noise floor ${notEstablishedWords(floor)}. Two identical deployments (${a} ÷ ${b}) were seen at: ${open.join(', ')}.`,
  ];
  return lines.filter((line) => line !== '').join(' ');
}

/** `failed: p99>1.05 (docker ÷ bare = 1.31× [1.26, 1.37])` */
export function gateWords({ gates = [] }: Comparison): string[] {
  return gates.map(({ status, expression, detail }) => `${status}: ${expression} (${detail})`);
}

/** A/A differences that should not be there: the bench itself is biased or too noisy. */
export function controlAlarms({ metrics }: Comparison): string[] {
  return metrics.flatMap(({ role, phrase, control }) =>
    role === 'primary' && control?.verdict === 'differs' && control.ratio !== null
      ? [
          `the A/A control differs in ${phrase} (${formatRatio(control.ratio)}): do not trust differences of this metric`,
        ]
      : [],
  );
}
