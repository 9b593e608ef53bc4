/**
 * A deployment from flags to its first valid reply: what `deploy`, `probe`, `load` and `bench` all
 * begin with. If anything goes wrong on the way, the last lines of the target's own output go with
 * the error and nothing stays deployed.
 */
import { isScratchpadError } from '../errors.ts';
import { choosePinning, pinDeployment } from '../host/pinning.ts';
import { describeArtifact, describeTarget } from '../record/describe.ts';
import type { StartUp, TrialRecord } from '../record/schema.ts';
import { deployTarget } from '../targets/deploy.ts';
import { freePort } from '../targets/port.ts';
import { loadTarget } from '../targets/registry.ts';
import { type DeploymentFlags, deployOptionsFrom } from '../targets/request.ts';
import type { Deployment, DeployOptions, Progress } from '../targets/target.ts';
import { verifyInside } from '../targets/verify.ts';
import { measureStartUp } from './start-up.ts';

export interface LaunchRequest {
  target: string;
  flags: DeploymentFlags;
  /** null: any free port, for measurements that must not disturb a deployment on 5001. */
  port: number | null;
  /** `cpuSet` where it is not given: apart from the load generator's CPU. */
  options?: Partial<DeployOptions>;
  mode?: StartUp['mode'];
  /** Read the memory at ready + 1 s. */
  memory?: boolean;
  /** Read it at ready + 30 s too: see measureStartUp. */
  settle?: boolean | undefined;
  /** Runs after everything is prepared, right before the start call. */
  beforeStart?: (() => Promise<void>) | undefined;
  progress: Progress;
  signal: AbortSignal;
}

export interface Launched {
  deployment: Deployment;
  startUp: StartUp;
  artifact: NonNullable<TrialRecord['artifact']>;
  /** Why it is not bound to the CPUs of `cpuSet`; null: it is, or none were asked for. */
  unpinned: string | null;
}

/** @throws what deployTarget, waitForFirstValidReply and verifyInside throw; nothing is left then */
export async function launch(request: LaunchRequest): Promise<Launched> {
  const { progress, signal } = request;
  const target = await loadTarget(request.target);
  const options = deployOptionsFrom(request.target, request.flags, {
    port: request.port ?? (await freePort()),
    ...request.options,
  });
  if (request.options?.cpuSet === undefined) {
    const { targetCpus, warning } = await choosePinning({ cpus: options.limits.cpus });
    options.cpuSet = targetCpus;
    if (warning !== undefined) progress.warn(warning);
  }
  const deployment = await deployTarget({
    target,
    options,
    progress,
    signal,
    beforeStart: request.beforeStart,
  });
  // What shows only while it starts is added to the plan, whose first warnings have been told.
  const { plan } = deployment.state;
  const planned = plan.warnings.length;
  try {
    progress.step(`${target.name}: waiting for the first valid reply`);
    const startUp = await measureStartUp(deployment, {
      mode: request.mode ?? 'warm',
      signal,
      memory: request.memory ?? false,
      settle: request.settle,
    });
    for (const warning of plan.warnings.slice(planned)) progress.warn(warning);
    // The target is bound from its first instruction; its helpers exist only now.
    const unpinned =
      options.cpuSet === null ? null : await pinDeployment(deployment, options.cpuSet);
    if (unpinned !== null) progress.warn(unpinned);
    const verified = await verifyInside(deployment, signal);
    return { deployment, startUp, artifact: describeArtifact(deployment, verified), unpinned };
  } catch (error) {
    await withLogs(error, deployment);
    await deployment.destroy();
    throw error;
  }
}

/** A target that died or never answered has said why in its own log. */
async function withLogs(error: unknown, deployment: Deployment): Promise<void> {
  if (!isScratchpadError(error) || error.code === 'INTERRUPTED') return;
  const log = await deployment.logs(20).catch(() => '');
  if (log.trim() !== '') error.attach({ log: log.trim().split('\n').slice(-20) });
}

export interface DeployResult {
  kind: 'deployment';
  id: string;
  url: string;
  port: number;
  target: ReturnType<typeof describeTarget>;
  limits: DeployOptions['limits'];
  startUp: StartUp;
  prepareMs: number;
  prepareCached: boolean;
  artifact: Launched['artifact'];
  warnings: string[];
}

/** `deploy`: launched and left running. */
export async function deployAndWait(
  request: LaunchRequest & { warnings: readonly string[] },
): Promise<DeployResult> {
  const { deployment, startUp, artifact } = await launch(request);
  const { state } = deployment;
  return {
    kind: 'deployment',
    id: state.id,
    url: deployment.url,
    port: state.plan.options.port,
    target: describeTarget(deployment),
    limits: state.plan.options.limits,
    startUp,
    prepareMs: state.prepared?.durationMs ?? 0,
    prepareCached: state.prepared?.cached ?? false,
    artifact,
    warnings: [...request.warnings],
  };
}
