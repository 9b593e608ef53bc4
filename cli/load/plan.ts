/**
 * The plan: when each request should be sent, fixed before the first one is. Pure; times are µs
 * after t0. Constant rates give t_i = i/R, ramps invert the integrated rate, Poisson draws seeded
 * gaps. Worker w owns i ≡ w (mod W). Nothing is ever derived from "now".
 */
import { hash, Random } from './random.ts';
import type { LoadOptions, Stage } from './types.ts';

/** The open loop's requests of one worker in order, one at a time, so that memory does not grow. */
export interface Arrivals {
  /** Index of the next request in the whole plan. */
  readonly index: number;
  /** Its intended time in µs after t0; Infinity when the plan is at its end. */
  readonly atUs: number;
  advance(): void;
}

/** The options that shape the request stream; two runs with equal ones replay the same plan. */
export type PlanInput = Pick<
  LoadOptions,
  | 'loop'
  | 'ratePerSecond'
  | 'arrival'
  | 'stages'
  | 'connections'
  | 'durationMs'
  | 'warmupMs'
  | 'seed'
  | 'scenario'
>;

/** The stages of an open-loop plan, covering warm-up and duration. */
export function stagesOf(plan: PlanInput): Stage[] {
  const wholeMs = plan.warmupMs + plan.durationMs;
  if (plan.stages && plan.stages.length > 0) return plan.stages;
  const rate = plan.ratePerSecond ?? 0;
  return [{ durationMs: wholeMs, fromRate: rate, toRate: rate }];
}

/**
 * Time at which the integrated rate reaches `requests`, in µs; Infinity where it never does.
 * Within a stage of slope k the count is f·t + k·t²/2, solved in the form that is stable for
 * k → 0: t = 2c / (f + √(f² + 2kc)).
 */
export function timeOfCountUs(stages: readonly Stage[], requests: number): number {
  let startUs = 0;
  let before = 0;
  for (const stage of stages) {
    const seconds = stage.durationMs / 1000;
    const inStage = ((stage.fromRate + stage.toRate) / 2) * seconds;
    const wanted = requests - before;
    if (wanted < inStage || (wanted === 0 && stage.fromRate > 0)) {
      const slope = (stage.toRate - stage.fromRate) / seconds;
      if (slope === 0) return startUs + (wanted / stage.fromRate) * 1e6;
      const root = Math.sqrt(Math.max(0, stage.fromRate ** 2 + 2 * slope * wanted));
      const divisor = stage.fromRate + root;
      return startUs + (divisor === 0 ? 0 : ((2 * wanted) / divisor) * 1e6);
    }
    startUs += stage.durationMs * 1000;
    before += inStage;
  }
  return Number.POSITIVE_INFINITY;
}

/** How many requests a constant or staged plan intends before `untilUs`. */
export function countBefore(stages: readonly Stage[], untilUs: number): number {
  let remainingMs = untilUs / 1000;
  let count = 0;
  for (const stage of stages) {
    const ms = Math.min(stage.durationMs, remainingMs);
    if (ms <= 0) break;
    const seconds = ms / 1000;
    const slope = (stage.toRate - stage.fromRate) / (stage.durationMs / 1000);
    count += stage.fromRate * seconds + (slope * seconds ** 2) / 2;
    remainingMs -= ms;
  }
  // Request i = count would be intended at untilUs itself, so it is not before; 1e-6 absorbs the
  // rounding of R·T where both are decimal fractions.
  return Math.ceil(count - 1e-6);
}

class StagedArrivals implements Arrivals {
  index: number;
  atUs = 0;
  private readonly stages: readonly Stage[];
  private readonly stride: number;
  private readonly end: number;
  /** Requests per µs where the whole plan is one constant rate, else 0. */
  private readonly constantRate: number;

  constructor(stages: readonly Stage[], first: number, stride: number, endUs: number) {
    this.stages = stages;
    this.index = first;
    this.stride = stride;
    this.end = countBefore(stages, endUs);
    const only = stages.length === 1 ? stages[0] : undefined;
    this.constantRate = only && only.fromRate === only.toRate ? only.fromRate : 0;
    this.locate();
  }

  advance(): void {
    this.index += this.stride;
    this.locate();
  }

  private locate(): void {
    if (this.index >= this.end) this.atUs = Number.POSITIVE_INFINITY;
    else if (this.constantRate > 0) this.atUs = (this.index * 1e6) / this.constantRate;
    else this.atUs = timeOfCountUs(this.stages, this.index);
  }
}

/** Exponential gaps in integrated rate, so that ramps work too; all workers draw all gaps. */
class PoissonArrivals implements Arrivals {
  index: number;
  atUs = 0;
  private readonly stages: readonly Stage[];
  private readonly stride: number;
  private readonly endUs: number;
  private readonly random: Random;
  private integrated = 0;

  constructor(
    stages: readonly Stage[],
    first: number,
    stride: number,
    endUs: number,
    seed: number,
  ) {
    this.stages = stages;
    this.stride = stride;
    this.endUs = endUs;
    this.index = first - stride;
    this.random = new Random(seed);
    this.skip(first + 1);
    this.index = first;
  }

  advance(): void {
    this.index += this.stride;
    this.skip(this.stride);
  }

  private skip(gaps: number): void {
    for (let i = 0; i < gaps; i++) this.integrated -= Math.log(this.random.next());
    const at = timeOfCountUs(this.stages, this.integrated);
    this.atUs = at < this.endUs ? at : Number.POSITIVE_INFINITY;
  }
}

/** The requests of worker `worker` of `workers`, intended within warm-up + duration. */
export function arrivalsOf(plan: PlanInput, worker: number, workers: number): Arrivals {
  const stages = stagesOf(plan);
  const endUs = (plan.warmupMs + plan.durationMs) * 1000;
  return plan.arrival === 'poisson'
    ? new PoissonArrivals(stages, worker, workers, endUs, plan.seed)
    : new StagedArrivals(stages, worker, workers, endUs);
}

/** Which operation request i is, by its own hash: the same whatever worker or target runs it. */
export function operationPicker(
  weights: readonly number[],
  seed: number,
): (index: number) => number {
  if (weights.length === 1) return () => 0;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const bounds = weights.map((weight) => {
    sum += weight;
    return (sum / total) * 0x1_0000_0000;
  });
  return (index) => {
    const draw = hash(seed, index);
    let operation = 0;
    while (operation < bounds.length - 1 && draw >= bounds[operation]!) operation++;
    return operation;
  };
}

/** Connections of worker `worker` of `workers`; they sum to `connections`. */
export function shareOf(connections: number, worker: number, workers: number): number {
  return Math.floor(connections / workers) + (worker < connections % workers ? 1 : 0);
}

/**
 * What identifies the request stream, as text to be hashed. The URL is not part of it: the same
 * plan is replayed on every target.
 */
export function planText(plan: PlanInput): string {
  const { scenario } = plan;
  // a module is the same wherever it lies
  const isModule = scenario?.module !== undefined;
  return JSON.stringify({
    version: 1,
    loop: plan.loop,
    ratePerSecond: plan.ratePerSecond,
    arrival: plan.arrival,
    stages: plan.stages ?? null,
    connections: plan.connections,
    durationMs: plan.durationMs,
    warmupMs: plan.warmupMs,
    seed: plan.seed,
    scenario: isModule ? { ...scenario, module: scenario.module!.sha256 } : scenario,
  });
}

/** The plan's hash; the hash function is given, so that this stays pure. */
export function planDigest(plan: PlanInput, sha256: (text: string) => string): string {
  return sha256(planText(plan));
}
