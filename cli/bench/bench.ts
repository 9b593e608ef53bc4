/**
 * The bench: rounds in the declared order, one target alive at a time, a failed gate voids and
 * repeats its round. It composes stages and writes after each; it knows no target by name but bare.
 */
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import type { Pinning } from '../host/pinning.ts';
import type { LoadTick, Scenario } from '../load/types.ts';
import { type BenchRecord, benchRecordSchema, type TrialRecord } from '../record/schema.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { Limits, Progress } from '../targets/target.ts';
import { type LoadedBench, trialFileName, writeBench, writeTrial } from './folder.ts';
import { busyShare, coolDown } from './host-quiet.ts';
import type { BenchPlan } from './plan.ts';
import { runTrial } from './trial.ts';

export interface BenchContext {
  folder: string;
  plan: BenchPlan;
  scenario: Scenario;
  flags: DeploymentFlags;
  pinning: Pinning;
  progress: Progress;
  /** Told before each trial and each second of load, for the line with the time left. */
  onProgress?: (state: BenchProgress) => void;
  onTrialDone?: (trial: TrialRecord, trialsLeft: number) => void;
  signal: AbortSignal;
}

export interface BenchProgress {
  round: number;
  rounds: number;
  label: string;
  trialsDone: number;
  trialsPlanned: number;
  tick: LoadTick | null;
}

export type BenchOutcome = LoadedBench & { error: ScratchpadError | null };

/**
 * Runs the rounds that `bench` still lacks; the record on disk is current after every trial.
 * An interruption or a failing target ends it with what is there and the error to report.
 */
export async function runRounds(start: LoadedBench, context: BenchContext): Promise<BenchOutcome> {
  const { plan, folder, signal } = context;
  const { bench } = start;
  const trials = [...start.trials];
  const fileOf = new Map(trials.map((trial, i) => [trial, bench.trials[i]!]));
  // What a crash left of a round: `bench` ended there, so nothing has marked it yet.
  for (const trial of cutOffRound(bench, trials, 'the bench was resumed after it')) {
    writeTrial(folder, fileOf.get(trial)!, trial);
  }
  const baseline = await busyShare(500, signal);
  let error: ScratchpadError | null = null;
  try {
    for (let round = bench.roundsDone + 1; round <= plan.rounds; ) {
      const done = await runRound(round);
      if (done) round++;
    }
    bench.interrupted = false;
  } catch (thrown) {
    error = endOf(thrown, signal);
    bench.interrupted = error.code === 'INTERRUPTED';
    try {
      for (const trial of cutOffRound(bench, trials, error.message)) {
        writeTrial(folder, fileOf.get(trial)!, trial);
      }
      writeBench(folder, bench);
    } catch (unwritable) {
      // on a full disk: then it is as after a crash, and `--resume` marks the round
      if (!isScratchpadError(unwritable)) throw unwritable;
    }
    return { bench, trials, error };
  }
  writeBench(folder, bench);
  return { bench, trials, error };

  /** True where the round counts; false where a gate voided it. */
  async function runRound(round: number): Promise<boolean> {
    const attempt = 1 + bench.voidedRounds.filter((v) => v.round === round).length;
    const order = plan.schedule[round - 1]!;
    const ofRound: TrialRecord[] = [];
    for (const [index, label] of order.entries()) {
      const planned = (plan.rounds - round + 1) * plan.labels.length - index;
      const tell = (tick: LoadTick | null) =>
        context.onProgress?.({
          round,
          rounds: plan.rounds,
          label,
          trialsDone: trials.length,
          // trials of voided rounds come on top of the plan
          trialsPlanned: trials.length + planned,
          tick,
        });
      tell(null);
      const quiet = await coolDown({ baseline, maxMs: plan.coolDownMaxMs, signal });
      const trial = await runTrial({
        benchId: bench.id,
        round,
        slot: index + 1,
        label,
        plan,
        ratePerSecond: bench.plan.ratePerSecond,
        scenario: context.scenario,
        flags: context.flags,
        pinning: context.pinning,
        host: bench.host,
        progress: context.progress,
        onTick: tell,
        signal,
      });
      trial['coolDown'] = quiet;
      const name = trialFileName(trial, attempt);
      writeTrial(folder, name, trial);
      fileOf.set(trial, name);
      bench.trials.push(name);
      trials.push(trial);
      ofRound.push(trial);
      writeBench(folder, bench);
      context.onTrialDone?.(trial, planned - 1);
      // The round is lost: what is left of it would cost minutes and count for nothing.
      if (trial.voided !== null) break;
    }
    const reason = ofRound
      .filter(({ voided }) => voided !== null)
      .map(({ label, voided }) => `${label}: ${voided}`)
      .join('; ');
    if (reason === '') {
      bench.roundsDone = round;
      writeBench(folder, bench);
      return true;
    }
    voidRound(bench, ofRound, round, reason);
    for (const trial of ofRound) writeTrial(folder, fileOf.get(trial)!, trial);
    writeBench(folder, bench);
    context.progress.warn(`round ${round} is void: ${reason}`);
    if (bench.voidedRounds.filter((v) => !v['unfinished']).length > plan.gates.maxVoidedRounds) {
      throw new ScratchpadError('GATE_FAILED', 'Too many rounds failed a validity gate', {
        cause: reason,
        hint: 'The host is too busy or too noisy for this bench; all rounds have been kept.',
      });
    }
    return false;
  }
}

/** All trials of a round go together: a pair with one half voided is no pair. */
function voidRound(bench: BenchRecord, trials: TrialRecord[], round: number, reason: string): void {
  bench.voidedRounds.push({ round, reason });
  for (const trial of trials) trial.voided ??= `round voided: ${reason}`;
}

/** The trials of a round that was cut off stay on disk and do not count; returns them. */
function cutOffRound(bench: BenchRecord, trials: TrialRecord[], reason: string): TrialRecord[] {
  const round = bench.roundsDone + 1;
  const unfinished = trials.filter((trial) => trial.round === round && trial.voided === null);
  if (unfinished.length > 0) {
    bench.voidedRounds.push({ round, reason: `cut off: ${reason}`, unfinished: true });
  }
  for (const trial of unfinished) trial.voided = `round cut off: ${reason}`;
  return unfinished;
}

function endOf(thrown: unknown, signal: AbortSignal): ScratchpadError {
  if (signal.aborted && signal.reason instanceof ScratchpadError) return signal.reason;
  if (thrown instanceof ScratchpadError) return thrown;
  throw thrown;
}

/** A new bench, before its first trial. */
export function newBench(options: {
  id: string;
  plan: BenchPlan;
  ratePerSecond: number;
  capacities: Record<string, number>;
  flags: DeploymentFlags;
  limits: Limits;
  host: BenchRecord['host'];
  unavailableTargets: BenchRecord['unavailableTargets'];
  generatorFloor: unknown;
  warnings: string[];
}): BenchRecord {
  const { plan } = options;
  return benchRecordSchema.parse({
    schemaVersion: 1,
    kind: 'bench',
    id: options.id,
    startedAt: new Date().toISOString(),
    seed: plan.seed,
    quick: plan.quick,
    roundsPlanned: plan.rounds,
    roundsDone: 0,
    targets: plan.labels,
    plan: {
      ...plan,
      ratePerSecond: options.ratePerSecond,
      capacities: options.capacities,
      deployment: pickDeploymentFlags(options.flags),
      limits: options.limits,
    },
    schedule: plan.schedule,
    trials: [],
    voidedRounds: [],
    unavailableTargets: options.unavailableTargets,
    generatorFloor: options.generatorFloor,
    interrupted: true,
    host: options.host,
    warnings: options.warnings,
  });
}

/** The declared plan of a bench that is to go on. */
export function resumeBench({ bench }: LoadedBench): {
  plan: BenchPlan;
  flags: DeploymentFlags;
} {
  if (bench.roundsDone >= bench.roundsPlanned) {
    throw new ScratchpadError('BAD_FLAG', 'That bench is finished: there is nothing to resume', {
      hint: 'Read it with `scratchpad compare`, or start a new one.',
    });
  }
  const { deployment, limits: _limits, capacities: _capacities, ...plan } = bench.plan;
  return { plan: plan as unknown as BenchPlan, flags: deployment as DeploymentFlags };
}

function pickDeploymentFlags(flags: DeploymentFlags): DeploymentFlags {
  const { provider, cpus, memory, limits, runtime, path } = flags;
  return { provider, cpus, memory, limits, runtime, path };
}
