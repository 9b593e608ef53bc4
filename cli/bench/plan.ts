/**
 * What a bench will do, decided before it starts: labels, order, durations, gates. Pure.
 */

import { scheduleRounds } from '../stats/order.ts';

/** The second of two identical ones, whose difference is the noise floor: `bare#2`. */
const CONTROL_SUFFIX = '#2';
export const DEFAULT_ROUNDS = 12;
export const QUICK_ROUNDS = 3;

/**
 * Latency is measured well below saturation: above 60 % one measures queues, and a capacity that was
 * calibrated in a good moment was seen to halve for half a minute on a shared host.
 */
export const RATE_SHARE_OF_CAPACITY = 1 / 3;

/**
 * A runtime compiles its hot paths by count, not by time. An emulated machine stood still for 3 s of
 * it after 1,500 requests and was at its pace after 2,400 (docs/decisions/bench-warm-up.md).
 */
const WARMUP_REQUESTS = 3000;
const MAX_WARMUP_MS = 60_000;

/** Declared before the bench: a trial outside of these voids its round, which is repeated. */
export interface Gates {
  maxErrorShare: number;
  maxStealShare: number;
  /** Rounds that may be repeated in all; then the bench ends with exit 4. */
  maxVoidedRounds: number;
  /** False for a quick bench, from which nothing is inferred, and by `--gates warn`: only a warning. */
  enforced: boolean;
}

/** A built workload that is compared with others. */
export interface PlannedArtifact {
  /** Absolute. */
  folder: string;
  sha256: string;
}

export interface BenchPlan {
  labels: string[];
  /** By name, the first is the baseline; absent where the targets are what is compared. */
  artifacts?: Record<string, PlannedArtifact>;
  rounds: number;
  quick: boolean;
  seed: number;
  scenario: string;
  /** null: a third of the slowest target's capacity, found by calibration. */
  ratePerSecond: number | null;
  durationMs: number;
  saturationMs: number;
  saturationConnections: number;
  /** Of each load, at least. */
  warmupMs: number;
  /** So many requests at least before latency is measured, if it takes no minute; 0: the time alone. */
  warmupRequests: number;
  calibrationMs: number;
  /** Second idle memory reading after the first valid reply; null: only the one at + 1 s. */
  settleMs: number | null;
  coolDownMaxMs: number;
  gates: Gates;
  schedule: string[][];
}

export interface BenchRequest {
  targets: string[];
  /** None: this build's own on each target. */
  artifacts?: Record<string, PlannedArtifact> | undefined;
  rounds: number | undefined;
  durationMs: number | undefined;
  /** Rest between the first valid reply and the load; 0: none. */
  settleMs?: number | undefined;
  warmupMs?: number | undefined;
  ratePerSecond: number | undefined;
  /** Undefined: enforced, but for a quick bench. */
  gates?: 'enforce' | 'warn' | undefined;
  quick: boolean;
  seed: number;
  scenario: string | undefined;
}

export function planBench(request: BenchRequest): BenchPlan {
  const { targets, quick, seed } = request;
  const labels = labelsOf(targets, Object.keys(request.artifacts ?? {}));
  const rounds = request.rounds ?? (quick ? QUICK_ROUNDS : DEFAULT_ROUNDS);
  const durationMs = request.durationMs ?? (quick ? 4000 : 120_000);
  const settleMs = request.settleMs ?? (quick ? 0 : 30_000);
  return {
    labels,
    ...(request.artifacts === undefined ? {} : { artifacts: request.artifacts }),
    rounds,
    quick,
    seed,
    scenario: request.scenario ?? 'index',
    ratePerSecond: request.ratePerSecond ?? null,
    durationMs,
    saturationMs: Math.min(durationMs, quick ? 2000 : 30_000),
    saturationConnections: 16,
    warmupMs: request.warmupMs ?? (quick ? 1000 : 10_000),
    warmupRequests: quick || request.warmupMs !== undefined ? 0 : WARMUP_REQUESTS,
    // a bench of short loads does not wait longer for quiet than it measures
    calibrationMs: Math.min(quick ? 2000 : 10_000, durationMs),
    settleMs: settleMs === 0 ? null : settleMs,
    coolDownMaxMs: quick ? 500 : Math.min(30_000, durationMs),
    gates: {
      maxErrorShare: 0.001,
      maxStealShare: 0.01,
      maxVoidedRounds: Math.max(2, Math.ceil(rounds / 2)),
      enforced: request.gates === undefined ? !quick : request.gates === 'enforce',
    },
    schedule: scheduleRounds(labels, rounds, seed),
  };
}

/** The same plan for the targets that are left; the order is drawn anew from the same seed. */
export function withoutTargets(plan: BenchPlan, targets: readonly string[]): BenchPlan {
  const left = new Set(plan.labels.map(targetOfLabel).filter((each) => !targets.includes(each)));
  // anew, as the control may have been a second of one that is left out
  const labels = labelsOf([...left], Object.keys(plan.artifacts ?? {}));
  return { ...plan, labels, schedule: scheduleRounds(labels, plan.rounds, plan.seed) };
}

/**
 * `bare`, `docker`, `bare#2`; with artifacts `bare@base`, `bare@head`. The control is a second bare,
 * or of the first target where bare takes no part, or of a single artifact: with two artifacts their
 * order is plain ABBA, and the A/A is a bench of its own (`compare --control`).
 */
function labelsOf(targets: string[], artifacts: string[]): string[] {
  if (artifacts.length === 0) {
    const twice = targets.includes('bare') ? 'bare' : targets[0];
    return twice === undefined ? [] : [...targets, `${twice}${CONTROL_SUFFIX}`];
  }
  const labels = targets.flatMap((target) => artifacts.map((name) => `${target}@${name}`));
  return artifacts.length > 1 ? labels : [...labels, `${labels[0]}${CONTROL_SUFFIX}`];
}

/** `bare#2` and `bare@head` are a bare. */
export function targetOfLabel(label: string): string {
  return label.split(/[@#]/)[0]!;
}

/** `bare@head` runs `head`; null for `bare`. */
export function artifactOfLabel(label: string): string | null {
  return /@([^#]+)/.exec(label)?.[1] ?? null;
}

/** `bare#2`: the second of two identical ones. */
export function isControl(label: string): boolean {
  return label.includes('#');
}

/** `bare` of `bare#2`; any other label is its own. */
export function originalOf(label: string): string {
  return label.split('#')[0]!;
}

/** The labels without the control, which is like one of them. */
export function distinctLabels(labels: readonly string[]): string[] {
  return labels.filter((label) => !isControl(label));
}

/** `bare#2, a second bare`; null where no identical pair runs. */
export function controlWords(labels: readonly string[]): string | null {
  const control = labels.find((label) => label.endsWith(CONTROL_SUFFIX));
  return control === undefined
    ? null
    : `${control}, a second ${control.slice(0, -CONTROL_SUFFIX.length)}`;
}

/** The built workload that a label runs; undefined: this build's own. */
export function artifactFolderOf(
  label: string,
  { artifacts }: Pick<BenchPlan, 'artifacts'>,
): string | undefined {
  const name = artifactOfLabel(label);
  return name === null ? undefined : artifacts?.[name]?.folder;
}

/** Start-up, as seen before: only used to say how long the bench will take. */
const ASSUMED_START_MS: Record<string, number> = { bare: 600, docker: 1500, vm: 30_000 };

/** Before calibration: what a machine without KVM may carry, and then what anything does. */
function assumedRate({ labels }: Pick<BenchPlan, 'labels'>): number {
  return labels.some((label) => targetOfLabel(label) === 'vm') ? 80 : 1000;
}

/** Warm-up of the open loop, the same for all targets: `warmupMs`, or until enough has been asked. */
export function latencyWarmupMs(
  { warmupMs, warmupRequests }: Pick<BenchPlan, 'warmupMs' | 'warmupRequests'>,
  ratePerSecond: number,
): number {
  const forAllMs = Math.ceil(warmupRequests / ratePerSecond) * 1000;
  return Math.max(warmupMs, Math.min(forAllMs, MAX_WARMUP_MS));
}

/** How long the bench will take, in ms; boots are assumed, loads are known. */
export function estimateMs(plan: BenchPlan, startMs: Record<string, number> = {}): number {
  const perTrial = (label: string) => {
    const target = targetOfLabel(label);
    return (
      (startMs[target] ?? ASSUMED_START_MS[target] ?? 10_000) +
      Math.max(1000, plan.settleMs ?? 0) +
      plan.warmupMs +
      latencyWarmupMs(plan, plan.ratePerSecond ?? assumedRate(plan)) +
      plan.durationMs +
      plan.saturationMs +
      (plan.quick ? 1200 : 3000)
    );
  };
  const round = plan.labels.reduce((sum, label) => sum + perTrial(label), 0);
  const calibration =
    plan.ratePerSecond === null
      ? distinctLabels(plan.labels).length * (plan.calibrationMs + 3000)
      : 0;
  return calibration + plan.rounds * round;
}

/**
 * Two significant digits, never above the share: 1873/s of capacity gives 620/s.
 * @throws RangeError where a capacity is not above 0
 */
export function rateFromCapacities(capacities: readonly number[]): number {
  const slowest = Math.min(...capacities);
  if (!(slowest > 0)) throw new RangeError(`a capacity must be above 0, not ${slowest}`);
  const rate = slowest * RATE_SHARE_OF_CAPACITY;
  const digit = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 1);
  return Math.max(1, Math.floor(rate / digit) * digit);
}
