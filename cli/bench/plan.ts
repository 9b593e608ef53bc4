/**
 * What a bench will do, decided before it starts: labels, order, durations, gates. Pure.
 */

import { scheduleRounds } from '../stats/order.ts';

/** The second bare: identical to the first, so its difference is the noise floor. */
export const CONTROL_LABEL = 'bare#2';
export const DEFAULT_ROUNDS = 12;
export const QUICK_ROUNDS = 3;

/** Latency is measured well below saturation: METHOD allows 60 % of the slowest target's capacity. */
export const RATE_SHARE_OF_CAPACITY = 0.5;

/** Declared before the bench: a trial outside of these voids its round, which is repeated. */
export interface Gates {
  maxErrorShare: number;
  maxStealShare: number;
  /** Rounds that may be repeated in all; then the bench ends with exit 4. */
  maxVoidedRounds: number;
  /** False for a quick bench: no inference is drawn, so a breach is a warning. */
  enforced: boolean;
}

export interface BenchPlan {
  labels: string[];
  rounds: number;
  quick: boolean;
  seed: number;
  scenario: string;
  /** null: half of the slowest target's capacity, found by calibration. */
  ratePerSecond: number | null;
  durationMs: number;
  saturationMs: number;
  saturationConnections: number;
  warmupMs: number;
  calibrationMs: number;
  /** Second idle memory reading after the first valid reply; null: only the one at + 1 s. */
  settleMs: number | null;
  coolDownMaxMs: number;
  gates: Gates;
  schedule: string[][];
}

export interface BenchRequest {
  targets: string[];
  rounds: number | undefined;
  durationMs: number | undefined;
  warmupMs?: number | undefined;
  ratePerSecond: number | undefined;
  quick: boolean;
  seed: number;
  scenario: string | undefined;
}

export function planBench(request: BenchRequest): BenchPlan {
  const { targets, quick, seed } = request;
  const labels = targets.includes('bare') ? [...targets, CONTROL_LABEL] : [...targets];
  const rounds = request.rounds ?? (quick ? QUICK_ROUNDS : DEFAULT_ROUNDS);
  const durationMs = request.durationMs ?? (quick ? 4000 : 120_000);
  return {
    labels,
    rounds,
    quick,
    seed,
    scenario: request.scenario ?? 'index',
    ratePerSecond: request.ratePerSecond ?? null,
    durationMs,
    saturationMs: Math.min(durationMs, quick ? 2000 : 30_000),
    saturationConnections: 16,
    warmupMs: request.warmupMs ?? (quick ? 1000 : 10_000),
    calibrationMs: quick ? 2000 : 10_000,
    settleMs: quick ? null : 30_000,
    coolDownMaxMs: quick ? 500 : 30_000,
    gates: {
      maxErrorShare: 0.001,
      maxStealShare: 0.01,
      maxVoidedRounds: Math.max(2, Math.ceil(rounds / 2)),
      enforced: !quick,
    },
    schedule: scheduleRounds(labels, rounds, seed),
  };
}

/** The same plan for the targets that are left; the order is drawn anew from the same seed. */
export function withoutTargets(plan: BenchPlan, targets: readonly string[]): BenchPlan {
  const labels = plan.labels.filter((label) => !targets.includes(targetOfLabel(label)));
  return { ...plan, labels, schedule: scheduleRounds(labels, plan.rounds, plan.seed) };
}

/** `bare#2` is a bare. */
export function targetOfLabel(label: string): string {
  return label.split('#')[0]!;
}

/** Start-up, as seen before: only used to say how long the bench will take. */
const ASSUMED_START_MS: Record<string, number> = { bare: 600, docker: 1500, vm: 30_000 };

/** How long the bench will take, in ms; boots are assumed, loads are known. */
export function estimateMs(plan: BenchPlan, startMs: Record<string, number> = {}): number {
  const perTrial = (label: string) => {
    const target = targetOfLabel(label);
    return (
      (startMs[target] ?? ASSUMED_START_MS[target] ?? 10_000) +
      Math.max(1000, plan.settleMs ?? 0) +
      2 * plan.warmupMs +
      plan.durationMs +
      plan.saturationMs +
      (plan.quick ? 1200 : 3000)
    );
  };
  const round = plan.labels.reduce((sum, label) => sum + perTrial(label), 0);
  const calibration =
    plan.ratePerSecond === null
      ? new Set(plan.labels.map(targetOfLabel)).size * (plan.calibrationMs + 3000)
      : 0;
  return calibration + plan.rounds * round;
}

/**
 * Two significant digits, never above the share: 1873/s of capacity gives 930/s.
 * @throws RangeError where a capacity is not above 0
 */
export function rateFromCapacities(capacities: readonly number[]): number {
  const slowest = Math.min(...capacities);
  if (!(slowest > 0)) throw new RangeError(`a capacity must be above 0, not ${slowest}`);
  const rate = slowest * RATE_SHARE_OF_CAPACITY;
  const digit = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 1);
  return Math.max(1, Math.floor(rate / digit) * digit);
}
