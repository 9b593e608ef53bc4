/**
 * What the A/A control says: how far apart two identical deployments were seen. Established only by
 * what gives a verdict: the t interval of three rounds on a noisy machine reaches factors of
 * thousands, and such a number tells a reader nothing. Else what was observed is shown.
 */
import { ROUNDS_FOR_INFERENCE } from '../stats/paired.ts';
import type { Interval, Verdict } from '../stats/verdict.ts';
import type { Comparison, PairResult } from './model.ts';

export interface FloorEntry {
  name: string;
  phrase: string;
  /** bare#2 ÷ bare, as observed. */
  ratio: number;
  /** The far end of the interval, above 1: smaller differences are not claimed. Null: not established. */
  floorRatio: number | null;
}

export interface NoiseFloor {
  a: string;
  b: string;
  /** The fewest rounds behind an entry. */
  rounds: number;
  /** Why an entry is not established. */
  reason: string | null;
  entries: FloorEntry[];
}

/** How far a ratio is from 1, whichever way: 0.5 and 2 are both 2. */
export function away(ratio: number): number {
  return Math.exp(Math.abs(Math.log(ratio)));
}

/** The far end of the A/A interval; null where nothing is inferred from it. */
export function establishedFloor(
  control: { verdict: Verdict; interval95: Interval | null } | null,
): number | null {
  if (control === null || control.verdict === 'no-inference') return null;
  return control.interval95 === null ? null : Math.max(...control.interval95.map(away));
}

/** Of the primary metrics; null where no control ran, or none of them has a ratio. */
export function noiseFloorOf({ metrics }: Comparison): NoiseFloor | null {
  const controls: PairResult[] = [];
  const entries = metrics.flatMap(({ role, name, phrase, control }): FloorEntry[] => {
    if (role !== 'primary' || control?.ratio == null) return [];
    controls.push(control);
    return [{ name, phrase, ratio: control.ratio, floorRatio: establishedFloor(control) }];
  });
  const [first] = controls;
  if (first === undefined) return null;
  return {
    a: first.a,
    b: first.b,
    rounds: Math.min(...controls.map(({ n }) => n)),
    reason: controls.find(({ verdict }) => verdict === 'no-inference')?.reason ?? null,
    entries,
  };
}

/** `not established: 3 rounds, and it needs 6`. */
export function notEstablishedWords({ rounds, reason }: NoiseFloor): string {
  if (rounds >= ROUNDS_FOR_INFERENCE && reason !== null) return `not established: ${reason}`;
  return `not established: ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, and it needs ${ROUNDS_FOR_INFERENCE}`;
}
