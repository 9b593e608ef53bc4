/** `load`: finds or makes what is to be loaded, measures, writes the record, judges it. */
import { join } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { choosePinning, type Pinning } from '../host/pinning.ts';
import { launch } from '../probe/launch.ts';
import type { ConsoleProgress } from '../progress.ts';
import { describeArtifact, describeTarget } from '../record/describe.ts';
import { captureEnvironment } from '../record/environment.ts';
import { unavailable } from '../record/measured.ts';
import { type LoadRecord, loadRecordSchema } from '../record/schema.ts';
import { newRecordId, reserve, writeText } from '../record/store.ts';
import { attachDeployment } from '../targets/deploy.ts';
import { limitsFor } from '../targets/options.ts';
import { loadTarget } from '../targets/registry.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import { listDeployments } from '../targets/state.ts';
import type { Deployment, DeploymentState } from '../targets/target.ts';
import { verifyInside } from '../targets/verify.ts';
import { generatorFloor } from './floor.ts';
import { fromBase64, toHgrm } from './histogram-export.ts';
import { aftermathOf, judge } from './judge.ts';
import { createLiveView } from './live.ts';
import { measureLoad } from './measure.ts';
import { loadScenario } from './scenario.ts';
import { parseStages } from './stages.ts';
import { formatLoad } from './summary-text.ts';
import { evaluateThresholds, parseThreshold } from './thresholds.ts';
import type { LoadMeasurement, LoadOptions } from './types.ts';

export interface LoadFlags extends DeploymentFlags {
  duration: number;
  rate?: number | undefined;
  stages?: string | undefined;
  hgrm?: string | undefined;
  connections?: number | undefined;
  arrival: 'constant' | 'poisson';
  url?: string | undefined;
  socket?: string | undefined;
  insecure: boolean;
  header?: string[] | undefined;
  scenario?: string | undefined;
  warmup: number;
  timeout: number;
  drain: number;
  workers: number;
  seed: number;
  threshold?: string[] | undefined;
  'no-pin': boolean;
  out?: string | undefined;
}

export interface LoadRequest {
  target: string | undefined;
  flags: LoadFlags;
  progress: ConsoleProgress;
  signal: AbortSignal;
}

export interface LoadResult {
  record: LoadRecord;
  file: string;
  text: string;
  /** What the exit code is about, where it is not 0. */
  failure: ScratchpadError | null;
}

/** What is loaded, and how it is removed if it was made for this load alone. */
interface Subject {
  url: string;
  name: string;
  deployment: Deployment | null;
  artifact: LoadRecord['artifact'];
  release: () => Promise<void>;
}

const DEFAULT_CONNECTIONS = 64;
/** A load this long can afford the few seconds that the generator's floor takes. */
const FLOOR_FROM_MS = 30_000;

export async function runLoadCommand(request: LoadRequest): Promise<LoadResult> {
  const { flags, progress, signal } = request;
  // Everything that can be wrong is found before anything is started.
  const thresholds = (flags.threshold ?? []).map(parseThreshold);
  const scenario = await loadScenario(flags.scenario ?? 'index');
  const headers = parseHeaders(flags.header ?? []);
  const stages = flags.stages === undefined ? undefined : parseStages(flags.stages);
  const stagesMs = stages?.reduce((sum, stage) => sum + stage.durationMs, 0);
  if (stagesMs !== undefined && stagesMs <= flags.warmup) {
    throw new ScratchpadError('BAD_FLAG', 'The stages end before the warm-up does', {
      cause: `stages ${stagesMs} ms, warm-up ${flags.warmup} ms`,
      hint: 'The warm-up is the first part of the stages: make it shorter, or them longer.',
    });
  }
  if (request.target !== undefined && flags.url !== undefined) {
    throw new ScratchpadError('BAD_FLAG', 'Name a target or give --url, one of the two', {
      hint: 'E.g. `scratchpad load docker` or `scratchpad load --url http://127.0.0.1:8080/`.',
    });
  }
  const id = newRecordId();
  const fileName = `load-${request.target ?? (flags.url ? 'url' : 'target')}-${id}.json`;
  const output = reserve(flags.out ?? join(resultsFolder(), fileName));
  try {
    const pinning = flags['no-pin']
      ? { generatorCpus: null, targetCpus: null }
      : await choosePinning({
          cpus: ceilingOf(request),
          generatorCpus: Math.min(flags.workers, flags.connections ?? DEFAULT_CONNECTIONS),
        });
    if (pinning.warning) progress.warn(pinning.warning);
    const subject = await findSubject(request, pinning);
    let result: LoadResult;
    try {
      result = await measure(subject, pinning);
    } catch (error) {
      await subject.release();
      throw error;
    }
    const left = await whatIsLeft(subject, progress);
    return { ...result, failure: result.failure ?? left };
  } catch (error) {
    output.release();
    throw error;
  }

  async function measure(subject: Subject, pinning: Pinning): Promise<LoadResult> {
    const host = await captureEnvironment();
    const durationMs = stagesMs === undefined ? flags.duration : stagesMs - flags.warmup;
    const floor = await generatorFloor({
      fingerprint: host.fingerprint,
      // of one worker, on the CPU that a load with one has
      generatorCpus: pinning.generatorCpus?.slice(-1) ?? null,
      mayMeasure: durationMs >= FLOOR_FROM_MS,
      progress,
      signal,
    });
    const options: LoadOptions = {
      url: subject.url,
      ...(flags.socket === undefined ? {} : { socketPath: flags.socket }),
      insecure: flags.insecure,
      loop: flags.rate === undefined && stages === undefined ? 'closed' : 'open',
      ...(stages === undefined ? {} : { stages }),
      ratePerSecond: flags.rate ?? null,
      arrival: flags.arrival,
      connections: flags.connections ?? DEFAULT_CONNECTIONS,
      durationMs,
      warmupMs: flags.warmup,
      drainMs: flags.drain,
      timeoutMs: flags.timeout,
      seed: flags.seed,
      workers: flags.workers,
      scenario,
      headers,
    };
    progress.step(
      `${subject.name}: ${options.loop} loop, ${flags.stages ?? (options.ratePerSecond === null ? `${options.connections} connections` : `${options.ratePerSecond} requests/s`)}, ${(durationMs / 1000).toFixed(0)} s`,
    );
    const live = createLiveView(progress, options);
    const measured = await measureLoad({
      url: subject.url,
      deployment: subject.deployment,
      options,
      generatorCpus: pinning.generatorCpus,
      edges: NOT_AT_READY,
      onTick: live.tick,
      signal,
    });
    const { load } = measured;
    const checks = evaluateThresholds(thresholds, load);
    const aftermath = await aftermathOf(subject.deployment, load);
    const { ailment } = aftermath;
    const record = loadRecordSchema.parse({
      ...load,
      schemaVersion: 1,
      kind: 'load',
      id,
      target: subject.deployment
        ? describeTarget(subject.deployment)
        : { name: 'url', provider: null, url: subject.url, path: 'unknown' },
      artifact: subject.artifact,
      limits: subject.deployment?.state.plan.options.limits ?? null,
      resources: measured.resources,
      reconciliation: measured.reconciliation,
      thresholds: checks,
      generatorFloor: floor,
      pinning,
      host,
      warnings: [
        ...new Set([
          ...progress.warnings,
          ...load.warnings,
          ...measured.warnings,
          ...(ailment === null ? [] : [ailment]),
        ]),
      ],
    });
    const file = output.commit(record);
    if (flags.hgrm !== undefined) writeText(flags.hgrm, hgrmOf(load));
    return {
      record,
      file,
      text: formatLoad(record),
      failure: judge(record, aftermath, checks, signal),
    };
  }
}

function hgrmOf({ latencyUs }: LoadMeasurement): string {
  return toHgrm(fromBase64(latencyUs.response.histogram), { scale: 1000 });
}

/** The measurement stands, whatever removing its target says. */
async function whatIsLeft(
  { name, release }: Subject,
  progress: ConsoleProgress,
): Promise<ScratchpadError | null> {
  try {
    await release();
    return null;
  } catch (cause) {
    progress.line(`! ${name} could not be removed: run \`scratchpad down --all\``);
    return new ScratchpadError('CLEANUP_INCOMPLETE', `${name} could not be removed`, {
      cause,
      hint: 'Mend the cause (is the engine running?) and run `scratchpad down --all`.',
    });
  }
}

/** A load does not know when its target became ready, or does not wait after it. */
const NOT_AT_READY = Object.fromEntries(
  ['ready+1s', 'ready+30s'].map((edge) => [
    edge,
    unavailable('not read by a load: `probe --settle` and a bench do'),
  ]),
);

const NOTHING_TO_REMOVE = async () => {};

function runningDeployments(target: string | undefined) {
  return listDeployments().filter(
    (state) => state.phase === 'running' && (target === undefined || state.target === target),
  );
}

/** How many CPUs the target may use: as it was deployed, or as it will be for this load. */
function ceilingOf({ target, flags }: LoadRequest): number {
  const isForeign = flags.url !== undefined || flags.socket !== undefined;
  const running = isForeign ? undefined : runningDeployments(target).at(-1);
  if (running !== undefined) return running.plan.options.limits.cpus;
  return isForeign || target === undefined
    ? (flags.cpus ?? 1)
    : limitsFor(target, { profile: flags.limits, cpus: flags.cpus }).cpus;
}

async function findSubject(request: LoadRequest, pinning: Pinning): Promise<Subject> {
  const { target, flags, progress, signal } = request;
  if (flags.url !== undefined || flags.socket !== undefined) {
    const url = parseUrl(flags.url ?? 'http://localhost/');
    return { url, name: url, deployment: null, artifact: null, release: NOTHING_TO_REMOVE };
  }
  if (target !== undefined) await loadTarget(target); // an unknown name is said at once
  const running = runningDeployments(target);
  const state = running.at(-1);
  if (target === undefined && running.length !== 1) {
    throw new ScratchpadError(
      state ? 'BAD_FLAG' : 'NOT_DEPLOYED',
      state
        ? `Several targets are deployed: ${running.map((each) => each.target).join(', ')}`
        : 'Nothing is deployed',
      {
        hint: state
          ? 'Name the one to load.'
          : 'Name a target (`scratchpad load docker`), run `scratchpad deploy bare` first, or give --url.',
      },
    );
  }
  if (state) {
    requireAsDeployed(state, flags);
    const deployment = await attachDeployment(state);
    const { alive, detail } = await deployment.liveness();
    if (!alive) {
      throw new ScratchpadError('TARGET_DIED', `${state.target} is deployed but does not run`, {
        cause: detail,
        hint: `Run \`scratchpad down ${state.target}\` and deploy it again.`,
      });
    }
    return {
      url: deployment.url,
      name: state.target,
      deployment,
      artifact: describeArtifact(deployment, await verifyInside(deployment, signal)),
      release: NOTHING_TO_REMOVE,
    };
  }
  progress.line(`· ${target} is not deployed: deploying it for this load`);
  const { deployment, artifact } = await launch({
    target: target!,
    flags,
    port: null,
    options: { cpuSet: pinning.targetCpus },
    progress,
    signal,
  });
  return {
    url: deployment.url,
    name: target!,
    deployment,
    artifact,
    release: () => deployment.destroy(),
  };
}

/** What is deployed already has its path and ceilings: flags that ask for others would not be obeyed. */
function requireAsDeployed({ target, provider, plan }: DeploymentState, flags: LoadFlags): void {
  const { limits } = plan.options;
  const asked: Array<[flag: string, wanted: unknown, is: unknown]> = [
    ['--path', flags.path, plan.path],
    ['--provider', target === 'vm' ? flags.provider : undefined, provider],
    ['--cpus', flags.cpus, limits.cpus],
    ['--memory', flags.memory, limits.memoryBytes],
  ];
  for (const [flag, wanted, is] of asked) {
    if (wanted === undefined || wanted === is) continue;
    throw new ScratchpadError(
      'BAD_FLAG',
      `${target} is deployed already, with ${flag} ${is} and not ${wanted}`,
      { hint: `Run \`scratchpad down ${target}\` first, or leave ${flag} out.` },
    );
  }
}

function parseUrl(text: string): string {
  try {
    const url = new URL(text);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url.href;
    throw new Error(`${url.protocol} is not http: or https:`);
  } catch (cause) {
    throw new ScratchpadError('BAD_FLAG', `"${text}" is not an HTTP address`, {
      cause,
      hint: 'Write it with its scheme: http://127.0.0.1:8080/.',
    });
  }
}

function parseHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([^\r\n]*)$/.exec(line);
    if (!match) {
      throw new ScratchpadError('BAD_FLAG', `"${line}" is not a header`, {
        hint: 'Write --header "name: value".',
      });
    }
    headers[match[1]!.toLowerCase()] = match[2]!;
  }
  return headers;
}
