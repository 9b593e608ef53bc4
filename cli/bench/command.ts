/** `bench`: from flags to a finished bench and its comparison. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { describeFloor, generatorFloor } from '../load/floor.ts';
import { loadScenario } from '../load/scenario.ts';
import type { Scenario } from '../load/types.ts';
import type { ConsoleProgress } from '../progress.ts';
import { captureEnvironment } from '../record/environment.ts';
import type { BenchRecord } from '../record/schema.ts';
import { newRecordId } from '../record/store.ts';
import { type EarlierEffects, effectsOfEarlierBench } from '../report/earlier-effects.ts';
import { buildComparison } from '../report/model.ts';
import { renderComparison } from '../report/render.ts';
import { writeReport } from '../report/write-report.ts';
import { readArtifact } from '../targets/artifact.ts';
import { allTargetNames, loadTarget, resolveTargetName } from '../targets/registry.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import { readArtifacts } from './artifacts.ts';
import {
  applyCalibration,
  type BenchOutcome,
  isCalibrated,
  newBench,
  resumeBench,
  runRounds,
} from './bench.ts';
import { calibrate } from './calibrate.ts';
import { ceilingsOf, choosePinnings, type Pinnings, pinningWarnings } from './ceilings.ts';
import {
  adoptUnlistedTrials,
  benchFolder,
  isKeptBench,
  type LoadedBench,
  readBench,
  writeBench,
} from './folder.ts';
import { assertNoBench, crashedHolder, withBenchLock } from './lock.ts';
import {
  type BenchPlan,
  distinctLabels,
  estimateMs,
  latencyWarmupMs,
  planBench,
  withoutTargets,
} from './plan.ts';
import { assertSameWorkload, clearTheWay } from './resume-checks.ts';
import { formatPlan, limitsOfBench, minutes, progressLine, trialLine } from './text.ts';

export interface BenchFlags extends DeploymentFlags {
  targets?: string | undefined;
  /** `name=folder`, of built workloads. */
  artifact?: string[] | undefined;
  rounds?: number | undefined;
  duration?: number | undefined;
  warmup?: number | undefined;
  settle?: number | undefined;
  rate?: number | undefined;
  gates?: 'enforce' | 'warn' | undefined;
  quick: boolean;
  seed: number;
  scenario?: string | undefined;
  resume?: string | undefined;
  plan: boolean;
  out?: string | undefined;
}

export interface BenchCommandResult {
  bench: BenchRecord | (BenchPlan & { effects: EarlierEffects | null });
  text: string;
  folder: string | null;
  failure: ScratchpadError | null;
}

interface BenchRequest {
  flags: BenchFlags;
  progress: ConsoleProgress;
  signal: AbortSignal;
  stdout: { isTTY: boolean; columns: number | undefined };
}

export async function runBenchCommand(request: BenchRequest): Promise<BenchCommandResult> {
  const { flags } = request;
  if (flags.resume !== undefined) return resume(request, flags.resume);
  const { targets, unavailable } = await chooseTargets(flags, request.progress);
  const plan = planBench({
    targets,
    artifacts: readArtifacts(flags.artifact),
    rounds: flags.rounds,
    durationMs: flags.duration,
    settleMs: flags.settle,
    warmupMs: flags.warmup,
    ratePerSecond: flags.rate,
    gates: flags.gates,
    quick: flags.quick,
    seed: flags.seed,
    scenario: flags.scenario,
  });
  if (flags.plan) {
    const effects = effectsOfEarlierBench(plan.rounds);
    const text = formatPlan(plan, ceilingsOf(plan.labels, flags), unavailable, effects);
    return { bench: { ...plan, effects }, text, folder: null, failure: null };
  }
  return start(request, plan, unavailable);
}

type UnavailableTargets = BenchRecord['unavailableTargets'];

/** By their own names, where paths of modules are among them; undefined: none were named. */
async function namedTargets({ targets }: BenchFlags): Promise<string[] | undefined> {
  const typed = targets
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  return typed && Promise.all(typed.map(resolveTargetName));
}

/** The targets that were named, or all that the host can run; a named one must be there. */
async function chooseTargets(
  flags: BenchFlags,
  progress: ConsoleProgress,
): Promise<{ targets: string[]; unavailable: UnavailableTargets }> {
  const named = await namedTargets(flags);
  const targets: string[] = [];
  const unavailable: UnavailableTargets = [];
  for (const name of new Set(named ?? (await allTargetNames()))) {
    const target = await loadTarget(name);
    const availability = await target.availability(name === 'vm' ? (flags.provider ?? null) : null);
    if (availability.available) {
      targets.push(name);
    } else if (named) {
      throw new ScratchpadError(
        availability.code ?? 'TARGET_UNAVAILABLE',
        `${name} cannot run here: ${availability.reason}`,
        { hint: availability.hint },
      );
    } else {
      unavailable.push({ target: name, reason: availability.reason, hint: availability.hint });
      progress.line(`! this host cannot measure ${name}: ${availability.reason}`);
      progress.line(`  hint: ${availability.hint}`);
    }
  }
  if (targets.length > 0) return { targets, unavailable };
  if (named) {
    throw new ScratchpadError('BAD_FLAG', '--targets names no target', {
      hint: 'Name some, e.g. --targets bare,docker, or leave the flag out for all.',
    });
  }
  throw new ScratchpadError('TARGET_UNAVAILABLE', 'This host can run none of the targets', {
    cause: unavailable.map(({ target, reason }) => `${target}: ${reason}`).join('; '),
    hint: 'Run `scratchpad doctor`: it says what is missing.',
  });
}

async function start(
  request: BenchRequest,
  declared: BenchPlan,
  unavailable: UnavailableTargets,
): Promise<BenchCommandResult> {
  const id = newRecordId();
  const folder = request.flags.out ?? join(resultsFolder(), `bench-${id}`);
  assertNoBench(folder);
  makeFolder(folder);
  return withBenchLock(folder, () => startIn(folder, id, request, declared, unavailable));
}

async function startIn(
  folder: string,
  id: string,
  request: BenchRequest,
  declared: BenchPlan,
  unavailable: UnavailableTargets,
): Promise<BenchCommandResult> {
  const { flags, progress } = request;
  // one that is wrong is told before anything is written
  const scenario = await loadScenario(declared.scenario);
  const ceilings = ceilingsOf(declared.labels, flags);
  const pinnings = await choosePinnings(ceilings);
  const host = await captureEnvironment();
  progress.line(
    `${declared.labels.join(', ')}: ${declared.rounds} rounds, about ${minutes(estimateMs(declared))}`,
  );
  for (const line of limitsOfBench(declared, ceilings)) progress.line(line);
  for (const warning of pinningWarnings(pinnings)) progress.warn(warning);
  await clearTheWay(null, progress);
  const bench = newBench({
    id,
    plan: declared,
    flags,
    ceilings,
    targetsNamed: flags.targets !== undefined,
    artifactSha256: declared.artifacts === undefined ? readArtifact().sha256 : null,
    host,
    unavailableTargets: unavailable,
    warnings: [...progress.warnings],
  });
  writeBench(folder, bench);
  const work = { request, folder, loaded: { bench, trials: [] }, flags, pinnings, scenario };
  return go(work, await calibrateIn(work, declared));
}

/** A bench that is on disk, and what its trials are made with. */
interface Work {
  request: BenchRequest;
  folder: string;
  loaded: LoadedBench;
  /** As it was declared, which is not how `--resume` was called. */
  flags: DeploymentFlags;
  pinnings: Pinnings;
  scenario: Scenario;
}

/**
 * Finds the rate of a bench that is on disk as declared; what is interrupted here is calibrated anew
 * by `--resume`. Returns the plan with the targets that could be started.
 */
async function calibrateIn(
  { request, folder, loaded: { bench }, flags, pinnings, scenario }: Work,
  declared: BenchPlan,
): Promise<BenchPlan> {
  const { progress, signal } = request;
  try {
    const [pinning] = pinnings.values();
    const floor = await generatorFloor({
      fingerprint: bench.host.fingerprint,
      generatorCpus: pinning?.generatorCpus ?? null,
      mayMeasure: !declared.quick,
      progress,
      signal,
    });
    bench['generatorFloor'] = floor;
    progress.line(`the generator’s own floor: ${describeFloor(floor)}`);
    const { failed, ...calibration } = await calibrate({
      labels: distinctLabels(declared.labels),
      plan: declared,
      scenario,
      flags,
      pinnings,
      progress,
      signal,
      mayFail: (target) => bench.plan['targetsNamed'] === false && target !== 'bare',
    });
    for (const { target, error } of failed) {
      bench.unavailableTargets.push({ target, reason: `${error.message}`, code: error.code });
      progress.line(`! ${target} is left out: ${error.message}`);
    }
    const plan =
      failed.length === 0
        ? declared
        : withoutTargets(
            declared,
            failed.map(({ target }) => target),
          );
    applyCalibration(bench, plan, calibration);
    bench.warnings = [...new Set([...bench.warnings, ...progress.warnings])];
    writeBench(folder, bench);
    const { ratePerSecond } = calibration;
    progress.line(
      `latency is measured at ${ratePerSecond} requests/s, after ${latencyWarmupMs(plan, ratePerSecond) / 1000} s of warm-up`,
    );
    return plan;
  } catch (error) {
    throw isScratchpadError(error) ? withResumeHint(error, folder) : error;
  }
}

function withResumeHint(error: ScratchpadError, folder: string): ScratchpadError {
  return new ScratchpadError(error.code, error.message, {
    cause: error.cause,
    details: error.details,
    hint: `${error.hint ?? ''} Go on with \`scratchpad bench --resume ${folder}\`.`.trim(),
  });
}

async function resume(request: BenchRequest, path: string): Promise<BenchCommandResult> {
  await namedTargets(request.flags); // those from outside have to be known
  const loaded = readBench(path);
  if (isKeptBench(path)) {
    throw new ScratchpadError('BAD_FLAG', 'That bench is kept: its records are compressed', {
      hint: 'Read it with `scratchpad compare` or `scratchpad report`, or start a new bench.',
    });
  }
  resumeBench(loaded); // says whether it can go on at all
  const folder = benchFolder(path);
  const crashed = crashedHolder(folder); // read before its lock is taken over
  return withBenchLock(folder, () => resumeIn(folder, request, readBench(path), crashed));
}

async function resumeIn(
  folder: string,
  request: BenchRequest,
  loaded: LoadedBench,
  crashed: ReturnType<typeof crashedHolder>,
): Promise<BenchCommandResult> {
  const { plan: declared, flags } = resumeBench(loaded);
  const { bench } = loaded;
  adoptUnlistedTrials(folder, loaded);
  // whatever is refused below: the lock that named the crashed process is gone by now
  await clearTheWay(crashed, request.progress);
  const host = await captureEnvironment();
  if (host.fingerprint !== bench.host.fingerprint) {
    throw new ScratchpadError('RECORDS_NOT_COMPARABLE', 'This is not the host of that bench', {
      cause: `then: ${bench.host.summary}; now: ${host.summary}`,
      hint: 'Resume it where it was started, or start a new bench here.',
    });
  }
  await assertSameWorkload(loaded, declared);
  const pinnings = await choosePinnings(ceilingsOf(declared.labels, flags));
  bench.warnings = [...new Set([...bench.warnings, ...request.progress.warnings])];
  const scenario = await loadScenario(declared.scenario);
  const work = { request, folder, loaded, flags, pinnings, scenario };
  if (isCalibrated(loaded)) {
    request.progress.line(`resuming after round ${bench.roundsDone} of ${declared.rounds}`);
    return go(work, declared);
  }
  request.progress.line('resuming before the first round: the calibration was not finished');
  return go(work, await calibrateIn(work, declared));
}

async function go(
  { request, folder, loaded, flags, pinnings, scenario }: Work,
  plan: BenchPlan,
): Promise<BenchCommandResult> {
  const { progress, signal, stdout } = request;
  const startedMs = performance.now();
  const doneBefore = loaded.trials.length;
  const outcome = await runRounds(loaded, {
    folder,
    plan,
    scenario,
    flags,
    pinnings,
    progress,
    onProgress: (state) => progress.live(progressLine(state, startedMs, doneBefore)),
    onTrialDone: (trial, left) => progress.line(trialLine(trial, plan.rounds, left)),
    signal,
  });
  return { bench: outcome.bench, ...(await conclude(outcome, folder, stdout)), folder };
}

/** What the user reads at the end, also after an interruption. */
async function conclude(
  { bench, trials, error }: BenchOutcome,
  folder: string,
  stdout: BenchRequest['stdout'],
): Promise<{ text: string; failure: ScratchpadError | null }> {
  const counted = trials.filter(({ voided }) => voided === null);
  const failure = error ? withResumeHint(error, folder) : null;
  if (counted.length === 0) return { text: 'no round was finished: nothing to compare', failure };
  const comparison = buildComparison([bench, ...trials], {});
  const text = renderComparison(comparison, 'table', {
    color: stdout.isTTY && !process.env['NO_COLOR'],
    width: stdout.columns ?? 100,
  });
  try {
    const { report } = await writeReport(folder);
    return { text: `${text}\nreport: ${report}`, failure };
  } catch (unwritable) {
    // what ended the bench, e.g. a full disk, is told before what that did to the report
    if (failure === null || !isScratchpadError(unwritable)) throw unwritable;
    return { text, failure };
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new ScratchpadError('OUTPUT_UNWRITABLE', `Cannot make the folder ${folder}`, {
      cause,
      hint: 'Name another one with --out or SCRATCHPAD_RESULTS_DIR.',
    });
  }
}
