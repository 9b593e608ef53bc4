/**
 * `probe --paths`: every path that a target offers, each by fresh deployments under one common
 * rate, in rounds whose order is drawn as a bench's is. It is a bench of one target with itself,
 * and composes the same functions.
 */
import { join } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { choosePinning, type Pinning } from '../host/pinning.ts';
import { measureLoad } from '../load/measure.ts';
import { loadScenario } from '../load/scenario.ts';
import type { Scenario } from '../load/types.ts';
import { launch } from '../probe/launch.ts';
import { measureShutdown } from '../probe/start-up.ts';
import type { ConsoleProgress } from '../progress.ts';
import { describeTarget } from '../record/describe.ts';
import { captureEnvironment } from '../record/environment.ts';
import { type ProbeRecord, pathTrialSchema, probeRecordSchema } from '../record/schema.ts';
import { newRecordId, reserve } from '../record/store.ts';
import { scheduleRounds } from '../stats/order.ts';
import { summarize } from '../stats/summary.ts';
import { limitsFor } from '../targets/options.ts';
import { loadTarget } from '../targets/registry.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { PathKind } from '../targets/target.ts';
import { type BenchLoad, benchLoad } from './bench-load.ts';
import { measureCapacity } from './calibrate.ts';
import { type PathTrial, pathCosts } from './path-costs.ts';
import { rateFromCapacities } from './plan.ts';

/** Too few for a verdict: a look at what a path costs. 6 rounds conclude. */
const DEFAULT_ROUNDS = 3;
const DEFAULT_DURATION_MS = 5_000;
const DEFAULT_SEED = 1;
const WARMUP_MS = 2_000;
const CALIBRATION_MS = 3_000;
const SATURATION_CONNECTIONS = 16;

export interface PathsRequest {
  target: string;
  flags: DeploymentFlags;
  /** undefined: 3, which is too few to conclude anything. */
  rounds: number | undefined;
  /** Of each of a trial's two loads; undefined: 5 s. */
  durationMs: number | undefined;
  /** undefined: a third of the slowest path's capacity, found by a closed loop before. */
  ratePerSecond: number | undefined;
  /** Of order and plan; undefined: 1. */
  seed: number | undefined;
  out: string | undefined;
  progress: ConsoleProgress;
  signal: AbortSignal;
}

export interface PathsResult {
  record: ProbeRecord;
  file: string;
  /** Why the exit code is not 0: interrupted, or the generator was the limit. */
  failure: ScratchpadError | null;
}

interface Context {
  request: PathsRequest;
  durationMs: number;
  seed: number;
  scenario: Scenario;
  pinning: Pinning;
  ratePerSecond: number;
}

interface DoneTrial {
  path: string;
  trial: PathTrial;
  target: ProbeRecord['target'];
  artifact: ProbeRecord['artifact'];
}

/**
 * @throws what launch throws, ALL_REQUESTS_FAILED; INTERRUPTED where not every path has a trial yet.
 *   Nothing stays deployed.
 */
export async function measurePaths(request: PathsRequest): Promise<PathsResult> {
  const { progress, signal } = request;
  const {
    rounds = DEFAULT_ROUNDS,
    durationMs = DEFAULT_DURATION_MS,
    seed = DEFAULT_SEED,
  } = request;
  const paths = await offeredPaths(request);
  const id = newRecordId();
  const startedAt = new Date().toISOString();
  const file = request.out ?? join(resultsFolder(), `probe-${request.target}-paths-${id}.json`);
  const output = reserve(file);
  const limits = limitsFor(request.target, {
    profile: request.flags.limits,
    cpus: request.flags.cpus,
    memoryBytes: request.flags.memory,
  });
  const schedule = scheduleRounds(paths, rounds, seed);
  const done: DoneTrial[] = [];
  let interrupted = false;
  try {
    const scenario = await loadScenario('index');
    const pinning = await choosePinning({ cpus: limits.cpus });
    if (pinning.warning) progress.warn(pinning.warning);
    const host = await captureEnvironment();
    const { ratePerSecond, capacities } = await commonRate(
      { ...request, seed },
      paths,
      scenario,
      pinning,
    );
    const context = { request, durationMs, seed, scenario, pinning, ratePerSecond };
    try {
      for (const [index, order] of schedule.entries()) {
        for (const [slot, path] of order.entries()) {
          progress.step(`round ${index + 1} of ${rounds}: ${path}`);
          done.push(await runPathTrial(context, path, index + 1, slot + 1));
        }
      }
    } catch (error) {
      const reached = new Set(done.map(({ path }) => path));
      if (!signal.aborted || reached.size < paths.length) throw error;
      interrupted = true;
    }
    const own = done.filter(({ path }) => path === paths[0]);
    const record = probeRecordSchema.parse({
      schemaVersion: 1,
      kind: 'probe',
      id,
      startedAt,
      target: own.at(-1)!.target,
      artifact: own.at(-1)!.artifact,
      limits,
      trials: own.map(({ trial }) => trial.startUp),
      summary: {
        firstValidReplyMs: summarize(own.map(({ trial }) => trial.startUp.firstHitMs)),
      },
      paths: pathCosts(
        new Map(
          paths.map((path) => [
            path,
            done.filter((each) => each.path === path).map(({ trial }) => trial),
          ]),
        ),
      ),
      pathPlan: {
        ratePerSecond,
        capacities,
        rounds,
        durationMs,
        saturationMs: durationMs,
        saturationConnections: SATURATION_CONNECTIONS,
        warmupMs: WARMUP_MS,
        seed,
        scenario: scenario.name,
        schedule,
      },
      pinning,
      interrupted,
      host,
      warnings: [...new Set([...progress.warnings, ...done.flatMap(warningsOf)])],
    });
    return { record, file: output.commit(record), failure: failureOf(done, interrupted, signal) };
  } catch (error) {
    output.release();
    throw signal.aborted ? signal.reason : error;
  }
}

/** @throws the target's availability code; UNKNOWN_TARGET */
async function offeredPaths({ target: name, flags }: PathsRequest): Promise<PathKind[]> {
  const target = await loadTarget(name);
  const provider = name === 'vm' ? (flags.provider ?? null) : null;
  const availability = await target.availability(provider);
  if (!availability.available) {
    throw new ScratchpadError(
      availability.code ?? 'TARGET_UNAVAILABLE',
      `${name} cannot run here: ${availability.reason}`,
      { hint: availability.hint },
    );
  }
  const paths = await target.paths?.(provider);
  if (paths === undefined || paths.length === 0) {
    throw new ScratchpadError('BAD_FLAG', `${name} does not say which paths it offers`, {
      hint: 'Leave `--paths` out.',
    });
  }
  return paths;
}

/** One rate for all paths: above what the slowest one carries, its queue would be measured. */
async function commonRate(
  { target, flags, seed, ratePerSecond, progress, signal }: PathsRequest & { seed: number },
  paths: readonly PathKind[],
  scenario: Scenario,
  pinning: Pinning,
): Promise<{ ratePerSecond: number; capacities: Record<string, number> }> {
  const capacities: Record<string, number> = {};
  if (ratePerSecond !== undefined) return { ratePerSecond, capacities };
  for (const path of paths) {
    capacities[path] = await measureCapacity(target, {
      plan: {
        saturationConnections: SATURATION_CONNECTIONS,
        calibrationMs: CALIBRATION_MS,
        warmupMs: WARMUP_MS,
        seed,
      },
      scenario,
      flags: { ...flags, path },
      pinning,
      progress,
      signal,
    });
  }
  return { ratePerSecond: rateFromCapacities(Object.values(capacities)), capacities };
}

async function runPathTrial(
  context: Context,
  path: string,
  round: number,
  slot: number,
): Promise<DoneTrial> {
  const { request, pinning, durationMs, seed, scenario, ratePerSecond } = context;
  const { target, flags, progress, signal } = request;
  const { deployment, startUp, artifact } = await launch({
    target,
    flags: { ...flags, path },
    port: null,
    memory: true,
    options: { cpuSet: pinning.targetCpus, healthCheck: false },
    progress,
    signal,
  });
  try {
    const load = async (loop: BenchLoad['loop']) => {
      const measured = await measureLoad({
        url: deployment.url,
        deployment,
        options: benchLoad({ loop, durationMs, warmupMs: WARMUP_MS, seed, scenario }),
        generatorCpus: pinning.generatorCpus,
        signal,
      });
      // half a load is no trial
      if (signal.aborted) throw signal.reason;
      if (measured.load.counts.answered > 0) return measured;
      throw new ScratchpadError('ALL_REQUESTS_FAILED', `${target} answered nothing by ${path}`, {
        cause: JSON.stringify(measured.load.errors),
        hint: `Try \`scratchpad load ${target} --path ${path} --connections 1 --duration 5\`.`,
      });
    };
    const latency = await load({ ratePerSecond });
    const saturation = await load({ connections: SATURATION_CONNECTIONS });
    const shutdownMs = await measureShutdown(deployment, signal);
    return {
      path,
      trial: pathTrialSchema.parse({
        round,
        slot,
        startUp: { ...startUp, shutdownMs },
        latency: latency.load,
        saturation: saturation.load,
        resources: latency.resources,
        saturationResources: saturation.resources,
        reconciliation: {
          latency: latency.reconciliation,
          saturation: saturation.reconciliation,
        },
        // what was really there once it ran, which for an engine is looked up
        observedPath: deployment.state.plan.path,
        meterWarnings: [...latency.warnings, ...saturation.warnings],
      }),
      target: describeTarget(deployment),
      artifact,
    };
  } finally {
    await deployment.destroy();
  }
}

function warningsOf({ path, trial }: DoneTrial): string[] {
  const { latency, saturation, round, meterWarnings, observedPath } = trial;
  // what the closed loop says of itself stays in its own measurement
  const warnings = [...latency.warnings, ...(meterWarnings as string[])];
  if (observedPath !== path) warnings.push(`asked for ${path}, but ran by ${observedPath}`);
  const failed = latency.counts.failed + saturation.counts.failed;
  if (failed > 0) warnings.push(`${failed} requests failed`);
  return warnings.map((text) => `${path}, round ${round}: ${text}`);
}

function failureOf(
  done: readonly DoneTrial[],
  interrupted: boolean,
  signal: AbortSignal,
): ScratchpadError | null {
  if (interrupted) return signal.reason as ScratchpadError;
  const limited = done.filter(({ trial }) => trial.latency.generator.clientLimited);
  if (limited.length === 0) return null;
  return new ScratchpadError('CLIENT_LIMITED', 'The generator, not the path, was the limit', {
    cause: limited
      .map(
        ({ path, trial }) =>
          `${path}, round ${trial.round}: ${trial.latency.generator.reasons.join('; ')}`,
      )
      .join('; '),
    hint: 'Lower --rate, or free a CPU for the generator; the latencies of those rounds are void.',
  });
}
