/**
 * What the second bare says: how far apart two identical deployments were seen. Established only by
 * as many rounds as a verdict needs: the t interval of three rounds on a noisy machine reaches
 * factors of thousands, and such a number tells a reader nothing. Below, what was observed is shown.
 */
import { ROUNDS_FOR_INFERENCE } from '../stats/paired.ts';
import type { Interval } from '../stats/verdict.ts';
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
  entries: FloorEntry[];
}

/** How far a ratio is from 1, whichever way: 0.5 and 2 are both 2. */
export function away(ratio: number): number {
  return Math.exp(Math.abs(Math.log(ratio)));
}

/** The far end of the A/A interval; null where too few rounds stand behind it. */
export function establishedFloor(
  control: { n: number; interval95: Interval | null } | null,
): number | null {
  if (control === null || control.n < ROUNDS_FOR_INFERENCE) return null;
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
  return { a: first.a, b: first.b, rounds: Math.min(...controls.map(({ n }) => n)), entries };
}

/** `not established: 3 rounds, and it needs 6`. */
export function notEstablishedWords({ rounds }: NoiseFloor): string {
  return `not established: ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, and it needs ${ROUNDS_FOR_INFERENCE}`;
}
