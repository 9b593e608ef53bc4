/** `bench`: from flags to a finished bench and its comparison. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { describeFloor, generatorFloor } from '../load/floor.ts';
import { loadScenario } from '../load/scenario.ts';
import type { ConsoleProgress } from '../progress.ts';
import { captureEnvironment } from '../record/environment.ts';
import type { BenchRecord } from '../record/schema.ts';
import { listRecordFiles, newRecordId } from '../record/store.ts';
import { buildComparison } from '../report/model.ts';
import { plannedEffects } from '../report/planned-effects.ts';
import { renderComparison } from '../report/render.ts';
import { writeReport } from '../report/write-report.ts';
import { ROUNDS_FOR_INFERENCE } from '../stats/paired.ts';
import { readArtifact } from '../targets/artifact.ts';
import { allTargetNames, loadTarget, resolveTargetName } from '../targets/registry.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import { readArtifacts } from './artifacts.ts';
import {
  applyCalibration,
  type BenchOutcome,
  type BenchProgress,
  isCalibrated,
  newBench,
  resumeBench,
  runRounds,
} from './bench.ts';
import { calibrate } from './calibrate.ts';
import {
  type Ceilings,
  ceilingsOf,
  choosePinnings,
  type Pinnings,
  pinningWarnings,
  unequalWords,
} from './ceilings.ts';
import {
  adoptUnlistedTrials,
  benchFolder,
  isBenchFile,
  isKeptBench,
  type LoadedBench,
  readBench,
  writeBench,
} from './folder.ts';
import { assertNoBench, crashedHolder, withBenchLock } from './lock.ts';
import {
  type BenchPlan,
  controlWords,
  distinctLabels,
  estimateMs,
  latencyWarmupMs,
  planBench,
  withoutTargets,
} from './plan.ts';
import { assertSameWorkload, clearTheWay } from './resume-checks.ts';

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
  bench: BenchRecord | (BenchPlan & { effects: ReturnType<typeof effectsOfEarlierBench> });
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
  await loadScenario(declared.scenario); // one that is wrong is told before anything is written
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
  const loaded = { bench, trials: [] };
  const plan = await calibrateIn(folder, request, loaded, declared, flags, pinnings);
  return go(request, folder, loaded, plan, flags, pinnings);
}

/** What a reader must know of the bench that is declared, before it begins. */
function limitsOfBench(
  { quick, gates, rounds, labels, artifacts }: BenchPlan,
  ceilings: Ceilings,
): string[] {
  const unequal = unequalWords(ceilings);
  const control = controlWords(labels);
  return [
    ...(unequal === null
      ? []
      : [`unequal limits, as declared: ${unequal}. The ratios will be of these set-ups`]),
    control === null
      ? `no A/A control: the noise floor comes from a bench of one artifact (compare --control)`
      : `A/A control: ${control}`,
    ...(quick ? ['quick: no inference'] : []),
    ...(gates.enforced ? [] : ['a breached gate is only a warning']),
    ...(!quick && rounds < ROUNDS_FOR_INFERENCE
      ? [`no inference: fewer than ${ROUNDS_FOR_INFERENCE} rounds`]
      : []),
    ...(artifacts === undefined ? [] : [`artifacts: ${Object.keys(artifacts).join(', ')}`]),
  ];
}

/**
 * Finds the rate of a bench that is on disk as declared; what is interrupted here is calibrated anew
 * by `--resume`. Returns the plan with the targets that could be started.
 */
async function calibrateIn(
  folder: string,
  request: BenchRequest,
  { bench }: LoadedBench,
  declared: BenchPlan,
  flags: DeploymentFlags,
  pinnings: Pinnings,
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
      scenario: await loadScenario(declared.scenario),
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
  const host = await captureEnvironment();
  if (host.fingerprint !== bench.host.fingerprint) {
    throw new ScratchpadError('RECORDS_NOT_COMPARABLE', 'This is not the host of that bench', {
      cause: `then: ${bench.host.summary}; now: ${host.summary}`,
      hint: 'Resume it where it was started, or start a new bench here.',
    });
  }
  await assertSameWorkload(loaded, declared);
  await clearTheWay(crashed, request.progress);
  const pinnings = await choosePinnings(ceilingsOf(declared.labels, flags));
  bench.warnings = [...new Set([...bench.warnings, ...request.progress.warnings])];
  if (isCalibrated(loaded)) {
    request.progress.line(`resuming after round ${bench.roundsDone} of ${declared.rounds}`);
    return go(request, folder, loaded, declared, flags, pinnings);
  }
  request.progress.line('resuming before the first round: the calibration was not finished');
  const plan = await calibrateIn(folder, request, loaded, declared, flags, pinnings);
  return go(request, folder, loaded, plan, flags, pinnings);
}

async function go(
  request: BenchRequest,
  folder: string,
  loaded: LoadedBench,
  plan: BenchPlan,
  flags: DeploymentFlags,
  pinnings: Pinnings,
): Promise<BenchCommandResult> {
  const { progress, signal, stdout } = request;
  const startedMs = performance.now();
  const doneBefore = loaded.trials.length;
  const outcome = await runRounds(loaded, {
    folder,
    plan,
    scenario: await loadScenario(plan.scenario),
    flags,
    pinnings,
    progress,
    onProgress: (state) => progress.live(progressLine(state, startedMs, doneBefore)),
    onTrialDone: (trial, left) =>
      progress.line(
        `  round ${trial.round}/${plan.rounds} ${trial.label.padEnd(8)} start-up ${trial.startUp.firstHitMs.toFixed(0)} ms, p99 ${(trial.latency.latencyUs.response.p99 / 1000).toFixed(1)} ms, ${saturationOf(trial)}${trial.voided ? `, void: ${trial.voided}` : ''}${left > 0 ? `; ${left} trials left` : ''}`,
      ),
    signal,
  });
  return { bench: outcome.bench, ...(await conclude(outcome, folder, stdout)), folder };
}

function saturationOf(trial: BenchOutcome['trials'][number]): string {
  const { saturation } = trial;
  return 'unavailable' in saturation
    ? 'saturation unavailable'
    : `${(saturation as { requestsPerSecond: number }).requestsPerSecond.toFixed(0)} requests/s`;
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

function progressLine(state: BenchProgress, startedMs: number, doneBefore: number): string {
  const { round, rounds, label, trialsDone, trialsPlanned, tick } = state;
  const done = trialsDone - doneBefore;
  const left =
    done === 0
      ? ''
      : `, ${minutes(((performance.now() - startedMs) / done) * (trialsPlanned - trialsDone))} left`;
  const load = tick
    ? `  ${tick.phase} ${(tick.elapsedMs / 1000).toFixed(0)} s, ${tick.answered}/s, p99 ${tick.p99Us === null ? '–' : `${(tick.p99Us / 1000).toFixed(1)} ms`}`
    : '';
  return `round ${round}/${rounds} ${label}${left}${load}`;
}

/** What so many rounds would see, by the scatter of the newest bench here; null where none tells. */
function effectsOfEarlierBench(
  rounds: number,
): { bench: string; planned: ReturnType<typeof plannedEffects> } | null {
  for (const file of listRecordFiles(resultsFolder()).filter(isBenchFile)) {
    try {
      const { bench, trials } = readBench(file);
      if (bench.quick) continue; // its short loads scatter otherwise than those of a whole bench
      const planned = plannedEffects(buildComparison([bench, ...trials], {}), rounds);
      if (planned.length > 0) return { bench: bench.id, planned };
    } catch (error) {
      if (!isScratchpadError(error)) throw error; // that bench is broken or not comparable in itself
    }
  }
  return null;
}

function formatPlan(
  plan: BenchPlan,
  ceilings: Ceilings,
  unavailable: UnavailableTargets,
  effects: ReturnType<typeof effectsOfEarlierBench>,
): string {
  const lines = [
    `${plan.rounds} rounds of ${plan.labels.join(', ')}; seed ${plan.seed}; about ${minutes(estimateMs(plan))}`,
    `per trial: ${plan.settleMs === null ? '' : `rest ${plan.settleMs / 1000} s, `}warm-up ${plan.warmupMs / 1000} s${plan.warmupRequests > 0 ? ` and at least ${plan.warmupRequests} requests (60 s at most)` : ''}, open loop ${plan.durationMs / 1000} s, warm-up ${plan.warmupMs / 1000} s, saturation ${plan.saturationMs / 1000} s`,
    `rate: ${plan.ratePerSecond === null ? 'a third of the slowest target’s capacity, found by calibration' : `${plan.ratePerSecond} requests/s`}`,
    `gates: client-limited, errors > ${plan.gates.maxErrorShare * 100} %, steal > ${plan.gates.maxStealShare * 100} %; ${plan.gates.enforced ? `a failed gate voids and repeats the round, ${plan.gates.maxVoidedRounds} times at most` : 'breaches are warnings'}`,
    ...limitsOfBench(plan, ceilings),
    ...plan.schedule.map((order, i) => `round ${String(i + 1).padStart(2)}: ${order.join(', ')}`),
    ...unavailable.map(({ target, reason }) => `cannot be measured here: ${target}: ${reason}`),
  ];
  if (plan.quick || plan.rounds < ROUNDS_FOR_INFERENCE) return lines.join('\n');
  for (const { name, a, b, detectableRatio } of effects?.planned ?? []) {
    lines.push(
      `would see a difference of ${((detectableRatio - 1) * 100).toFixed(1)} % in ${name}, ${a} ÷ ${b}`,
    );
  }
  lines.push(
    effects === null
      ? 'what it can see is not known: no earlier bench with two rounds in the results folder'
      : `(in 80 % of such benches, by the scatter between the rounds of bench ${effects.bench})`,
  );
  return lines.join('\n');
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

function minutes(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
