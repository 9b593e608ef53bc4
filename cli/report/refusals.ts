/** What `compare` refuses, and the words of the refusal. Pure. */
import { isControl, originalOf } from '../bench/plan.ts';
import { ScratchpadError } from '../errors.ts';
import type { Collection } from './collect.ts';
import { type Difference, differencesBetween, differencesWithin } from './comparability.ts';

/** Why the A/A pair of another bench says nothing about these records; empty where it does. */
export function unfitControl(current: Collection, aa: Collection): string[] {
  const reasons: string[] = [];
  const twice = aa.labels.find(
    (label) => isControl(label) && aa.labels.includes(originalOf(label)),
  );
  if (twice === undefined) {
    reasons.push('the control holds no A/A pair: run `bench` with one artifact, or with none');
  }
  const conditions = (side: Collection) => side.observations[0]?.conditions;
  const [now, then] = [conditions(current), conditions(aa)];
  if (now?.host.fingerprint !== then?.host.fingerprint) {
    reasons.push('the control was measured on another machine');
  }
  const measured = aa.observations.find(({ label }) => label === twice)?.conditions.target.name;
  const targets = new Set(current.observations.map((each) => each.conditions.target.name));
  if (measured !== undefined && !targets.has(measured)) {
    reasons.push(`the control was measured on ${measured}, not on ${[...targets].join(', ')}`);
  }
  if (now?.plans['latency'] !== then?.plans['latency']) {
    reasons.push('the control had another request plan (rate, duration or seed)');
  }
  return reasons;
}

export function requireSomething({ observations, blocks, excludedRounds }: Collection): void {
  if (observations.length === 0) {
    throw new ScratchpadError('RECORD_NOT_FOUND', 'There is no trial, load or probe to compare', {
      hint: 'Measure first: `scratchpad bench`, or `scratchpad load` and `scratchpad probe`.',
    });
  }
  if (blocks.length === 0) {
    const reasons = excludedRounds.map(({ round, reason }) => `round ${round}: ${reason}`);
    throw new ScratchpadError('RECORDS_NOT_COMPARABLE', 'Every round was voided', {
      cause: reasons.join('; '),
      hint: 'Run the bench again on a quieter host: voided rounds are never compared.',
      details: { excludedRounds: reasons },
    });
  }
}

/** @throws RECORDS_NOT_COMPARABLE: of two sides that share no target no ratio can be formed */
export function requireCommonTarget(current: Collection, earlier: Collection): void {
  if (current.labels.some((label) => earlier.labels.includes(label))) return;
  throw new ScratchpadError(
    'RECORDS_NOT_COMPARABLE',
    `The baseline has no target in common with these records: ${earlier.labels.join(', ')} there, ${current.labels.join(', ')} here`,
    {
      hint: 'A baseline is the same target, measured before. Different targets of one kind of record are compared without --baseline.',
      details: { labels: current.labels, baselineLabels: earlier.labels },
    },
  );
}

/** A record that is compared with itself gives a ratio of 1 and proves nothing. */
export function onBothSides(current: Collection, earlier: Collection): string[] {
  const before = new Set(earlier.observations.map(({ recordId }) => recordId));
  const shared = new Set(
    current.observations.map(({ recordId }) => recordId).filter((id) => before.has(id)),
  );
  if (shared.size === 0) return [];
  const [first] = shared;
  const which = shared.size === 1 ? `the record ${first} is` : `${shared.size} records are`;
  return [`${which} on both sides: the baseline is the same measurement`];
}

export function differencesOf(current: Collection, earlier: Collection | null): Difference[] {
  if (earlier === null) return differencesWithin(current);
  const within = [...differencesWithin(current), ...differencesWithin(earlier)].filter(
    ({ severity }) => severity === 'refuse',
  );
  return [...differencesBetween(current, earlier), ...within];
}

export function notComparable(reasons: string[], refused: Difference[]): ScratchpadError {
  return new ScratchpadError(
    'RECORDS_NOT_COMPARABLE',
    `These records were not made under the same conditions:\n  - ${reasons.join('\n  - ')}`,
    {
      hint: refused.some(({ what }) => what.startsWith('request plan of the latency'))
        ? 'Each bench finds its own rate: give both the same --rate, --duration and --seed; or use --force and keep the warning.'
        : 'Measure again under the same conditions, or use --force and keep the warning.',
      details: { reasons, differences: refused },
    },
  );
}
