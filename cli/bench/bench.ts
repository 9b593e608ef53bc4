/**
 * The bench: rounds in the declared order, one target alive at a time, a failed gate voids and
 * repeats its round. It composes stages and writes after each; it knows no target by name but bare.
 */
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import type { LoadTick, Scenario } from '../load/types.ts';
import { type BenchRecord, benchRecordSchema, type TrialRecord } from '../record/schema.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { Progress } from '../targets/target.ts';
import { type Ceilings, type Pinnings, pinningOf } from './ceilings.ts';
import {
  attemptOf,
  type LoadedBench,
  nextAttempt,
  trialFileName,
  writeBench,
  writeTrial,
} from './folder.ts';
import { busyShare, coolDown } from './host-quiet.ts';
import { type BenchPlan, targetOfLabel } from './plan.ts';
import { runTrial } from './trial.ts';

export interface BenchContext {
  folder: string;
  plan: BenchPlan;
  scenario: Scenario;
  flags: DeploymentFlags;
  pinnings: Pinnings;
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
  const { ratePerSecond } = bench.plan;
  if (ratePerSecond === null) throw new Error('the rounds of a bench follow its calibration');
  const trials = [...start.trials];
  const fileOf: FileOf = new Map(trials.map((trial, i) => [trial, bench.trials[i]!]));
  // What a crash left of a round: `bench` ended there, so nothing has marked it yet.
  closeAndWrite('the bench was resumed after it');
  let baseline: number | null = null;
  let error: ScratchpadError | null = null;
  try {
    baseline = await busyShare(500, signal);
    for (let round = bench.roundsDone + 1; round <= plan.rounds; ) {
      const done = await runRound(round);
      if (done) round++;
    }
    bench.interrupted = false;
  } catch (thrown) {
    error = endOf(thrown, signal);
    bench.interrupted = error.code === 'INTERRUPTED';
    try {
      closeAndWrite(error.message);
    } catch (unwritable) {
      // on a full disk: then it is as after a crash, and `--resume` marks the round
      if (!isScratchpadError(unwritable)) throw unwritable;
    }
    return { bench, trials, error };
  }
  writeBench(folder, bench);
  return { bench, trials, error };

  /** bench.json first: a trial that is still unmarked is marked the next time. */
  function closeAndWrite(reason: string): void {
    const changed = closeOpenRound(bench, fileOf, reason);
    writeBench(folder, bench);
    for (const trial of changed) writeTrial(folder, fileOf.get(trial)!, trial);
  }

  /** True where the round counts; false where a gate voided it. */
  async function runRound(round: number): Promise<boolean> {
    const attempt = nextAttempt(folder, round);
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
        ratePerSecond: ratePerSecond!,
        scenario: context.scenario,
        flags: context.flags,
        pinning: pinningOf(context.pinnings, label),
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
      // in one write: a crash right after it must not leave a whole bench that says it was cut off
      bench.interrupted = round < plan.rounds;
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

type FileOf = Map<TrialRecord, string>;

/**
 * The trials of a round that was cut off stay on disk and do not count; returns those that this
 * changes. One that a gate had voided right before a crash voids its round, as it would have.
 */
function closeOpenRound(bench: BenchRecord, fileOf: FileOf, reason: string): TrialRecord[] {
  const round = bench.roundsDone + 1;
  const attempt = (trial: TrialRecord) => attemptOf(fileOf.get(trial)!, round);
  const ofRound = [...fileOf.keys()].filter((trial) => trial.round === round);
  const attempts = new Set(ofRound.map(attempt));
  const told = bench.voidedRounds.filter((each) => each.round === round).length;
  const last = ofRound.filter((trial) => attempt(trial) === Math.max(...attempts));
  const breaches = last.flatMap(({ label, voided }) =>
    voided === null ? [] : [`${label}: ${voided}`],
  );
  const unfinished = ofRound.filter(({ voided }) => voided === null);
  if (breaches.length > 0 && attempts.size > told) {
    voidRound(bench, unfinished, round, breaches.join('; '));
  } else if (unfinished.length > 0) {
    bench.voidedRounds.push({ round, reason: `cut off: ${reason}`, unfinished: true });
    for (const trial of unfinished) trial.voided = `round cut off: ${reason}`;
  }
  return unfinished;
}

function endOf(thrown: unknown, signal: AbortSignal): ScratchpadError {
  if (signal.aborted && signal.reason instanceof ScratchpadError) return signal.reason;
  if (thrown instanceof ScratchpadError) return thrown;
  throw thrown;
}

/** A new bench, as it is declared: before its calibration. */
export function newBench(options: {
  id: string;
  plan: BenchPlan;
  flags: DeploymentFlags;
  ceilings: Ceilings;
  /** Whether the user named the targets: then none may be left out. */
  targetsNamed: boolean;
  /** SHA-256 of this build's own workload; null where others are compared. */
  artifactSha256: string | null;
  host: BenchRecord['host'];
  unavailableTargets: BenchRecord['unavailableTargets'];
  warnings: string[];
}): BenchRecord {
  const { plan, ceilings } = options;
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
      deployment: pickDeploymentFlags(options.flags),
      limits: ceilings[targetOfLabel(plan.labels[0]!)],
      limitsByTarget: ceilings,
      targetsNamed: options.targetsNamed,
      ...(options.artifactSha256 === null ? {} : { artifactSha256: options.artifactSha256 }),
    },
    schedule: plan.schedule,
    trials: [],
    voidedRounds: [],
    unavailableTargets: options.unavailableTargets,
    interrupted: true,
    host: options.host,
    warnings: options.warnings,
  });
}

/** What calibration decided, written into the bench: its rate, and the targets that take part. */
export function applyCalibration(
  bench: BenchRecord,
  plan: BenchPlan,
  { ratePerSecond, capacities }: { ratePerSecond: number; capacities: Record<string, number> },
): void {
  const { labels, schedule } = plan;
  bench.targets = labels;
  bench.schedule = schedule;
  Object.assign(bench.plan, { labels, schedule, ratePerSecond, capacities });
}

/** False where the bench was interrupted before it had its rate. */
export function isCalibrated({ bench, trials }: LoadedBench): boolean {
  const { ratePerSecond, capacities } = bench.plan;
  return ratePerSecond !== null && (capacities !== undefined || trials.length > 0);
}

/** The declared plan of a bench that is to go on. */
export function resumeBench({ bench }: LoadedBench): {
  plan: BenchPlan;
  flags: DeploymentFlags;
} {
  if (bench.roundsDone >= bench.roundsPlanned && !bench.interrupted) {
    throw new ScratchpadError('BAD_FLAG', 'That bench is finished: there is nothing to resume', {
      hint: 'Read it with `scratchpad compare`, or start a new one.',
    });
  }
  const {
    deployment,
    limits: _limits,
    limitsByTarget: _byTarget,
    capacities: _capacities,
    targetsNamed: _named,
    artifactSha256: _artifact,
    ...plan
  } = bench.plan;
  return { plan: plan as unknown as BenchPlan, flags: deployment as DeploymentFlags };
}

function pickDeploymentFlags(flags: DeploymentFlags): DeploymentFlags {
  const { provider, cpus, memory, limits, runtime, path } = flags;
  return { provider, cpus, memory, limits, runtime, path };
}
