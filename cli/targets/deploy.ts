/**
 * One deployment, from options to a started workload: everything that can fail cheaply is checked
 * first, the state is on disk before anything is created, and whatever fails or is interrupted is
 * removed again.
 *
 *   port and reservation → target available → artifact → prepare → start
 */
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { readArtifact } from './artifact.ts';
import { throwIfAborted } from './command.ts';
import { assertPortFree } from './port.ts';
import { identify, isAlive } from './process-identity.ts';
import { loadTarget, moduleOf } from './registry.ts';
import { newState, readStates, removeState, saveState, withStateLock } from './state.ts';
import type {
  Deployment,
  DeploymentPlan,
  DeploymentState,
  DeployOptions,
  Progress,
  Target,
} from './target.ts';

export interface DeployRequest {
  target: Target;
  options: DeployOptions;
  progress: Progress;
  signal: AbortSignal;
  /** Runs when everything is prepared, right before the start call (e.g. drops the page cache). */
  beforeStart?: (() => Promise<void>) | undefined;
}

/**
 * Prepares and starts `target`; returns as soon as the start call is under way. The deployment it
 * returns keeps its state file current: `stop`, `restart` and `destroy` write it.
 * @throws PORT_IN_USE, ALREADY_DEPLOYED, the target's own availability code, ARTIFACT_MISSING,
 *   whatever prepare and start throw, INTERRUPTED on abort. Nothing is left behind, or a warning
 *   says what is and the state stays for `down --all`.
 */
export async function deployTarget(request: DeployRequest): Promise<Deployment> {
  const { target, options, progress, signal } = request;
  throwIfAborted(signal);
  const plan = await target.plan(options);
  const state = await reserve(target, plan);
  let begun = false;
  let started: Deployment | undefined;
  try {
    await assertAvailable(target, plan);
    readArtifact(options.artifactFolder);
    for (const warning of plan.warnings) progress.warn(warning);
    throwIfAborted(signal);
    begun = true;
    state.prepared = await target.prepare(plan, progress, signal);
    for (const warning of state.prepared.warnings) progress.warn(warning);
    throwIfAborted(signal);
    saveState(state);
    await request.beforeStart?.();
    started = await target.start(plan, state.prepared, progress, signal);
    follow(started, state);
    throwIfAborted(signal);
    return track(started);
  } catch (error) {
    if (begun) await cleanUp(target, started, state, progress);
    else removeState(state.id);
    // an aborted step may fail in its own words first: the interruption is the cause
    throwIfAborted(signal);
    throw error;
  }
}

/** A handle on a deployment of another process that keeps its state file current. */
export async function attachDeployment(state: DeploymentState): Promise<Deployment> {
  const target = await loadTarget(state.target);
  return track(await target.attach(state));
}

/** Is a process still at work on a state that says 'creating'? */
export function isBeingCreated(state: DeploymentState): boolean {
  return state.phase === 'creating' && state.deployer !== undefined && isAlive(state.deployer);
}

/** Under the lock, so that of two that want one port the second sees the first. */
async function reserve(target: Target, plan: DeploymentPlan): Promise<DeploymentState> {
  const { host, port } = plan.options;
  return withStateLock(async () => {
    const { states } = readStates();
    const ours = states.filter((state) => state.plan.options.port === port);
    const creating = ours.find(isBeingCreated);
    if (creating) throw alreadyDeployed(creating, 'is just being deployed');
    const running = ours.find(({ phase }) => phase === 'running');
    try {
      await assertPortFree(host, port);
    } catch (error) {
      if (running && isScratchpadError(error)) throw alreadyDeployed(running, 'is deployed', error);
      throw error;
    }
    // one that was started a moment ago does not listen yet
    if (running && (await lives(target, running))) throw alreadyDeployed(running, 'is deployed');
    const state: DeploymentState = { ...newState(plan, null), deployer: identify(process.pid) };
    const module = moduleOf(plan.target);
    if (module !== undefined) state.module = module;
    saveState(state);
    return state;
  });
}

async function lives(target: Target, state: DeploymentState): Promise<boolean> {
  const owner = state.target === target.name ? target : await loadTarget(state.target);
  return (await (await owner.attach(state)).liveness()).alive;
}

function alreadyDeployed(
  { target, url, plan }: DeploymentState,
  is: string,
  cause?: Error,
): ScratchpadError {
  return new ScratchpadError('ALREADY_DEPLOYED', `${target} ${is} at ${url} already.`, {
    cause,
    hint: `Run \`scratchpad down ${target}\` first, or choose another port with \`--port\`.`,
    details: { target, url, port: plan.options.port },
  });
}

async function assertAvailable(target: Target, plan: DeploymentPlan): Promise<void> {
  const availability = await target.availability(plan.provider);
  if (availability.available) return;
  throw new ScratchpadError(
    availability.code ?? 'TARGET_UNAVAILABLE',
    `${target.name} cannot run here: ${availability.reason}`,
    { hint: availability.hint },
  );
}

/** Writes the state of what has been started, and again once its start call has returned. */
function follow(started: Deployment, reserved: DeploymentState): void {
  const { state } = started;
  state.createdAt = reserved.createdAt;
  if (reserved.deployer) state.deployer = reserved.deployer;
  if (reserved.module) state.module = reserved.module;
  if (!started.startCall) {
    markAs(state, 'running');
    return;
  }
  state.phase = 'creating';
  saveState(state);
  started.startCall.then(
    () => {
      // it may be on its way out by then
      if (state.phase === 'creating') markAs(state, 'running');
    },
    () => {},
  );
}

async function cleanUp(
  target: Target,
  started: Deployment | undefined,
  state: DeploymentState,
  progress: Progress,
): Promise<void> {
  try {
    const left = started ?? (await target.attach(state));
    left.state.phase = 'destroying';
    await left.destroy();
    removeState(state.id);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    progress.warn(`${target.name} could not be cleaned up: ${why} Run \`scratchpad down --all\`.`);
  }
}

function markAs(state: DeploymentState, phase: DeploymentState['phase']): void {
  state.phase = phase;
  saveState(state);
}

/** The same deployment, whose life-cycle steps are written to its state file. */
function track(inner: Deployment): Deployment {
  const { state } = inner;
  return {
    state,
    get url() {
      return inner.url;
    },
    get startedAtNs() {
      return inner.startedAtNs;
    },
    get startCall() {
      return inner.startCall;
    },
    pollsAfterStartCall: inner.pollsAfterStartCall === true,
    phases: () => inner.phases(),
    meter: () => inner.meter(),
    storage: () => inner.storage(),
    logs: (lines) => inner.logs(lines),
    liveness: () => inner.liveness(),
    restarts: async () => (await inner.restarts?.()) ?? null,
    async stop(signal) {
      const result = await inner.stop(signal);
      markAs(state, 'stopped');
      return result;
    },
    async restart(signal) {
      await assertPortFree(state.plan.options.host, state.plan.options.port);
      await inner.restart(signal);
      markAs(state, 'running');
    },
    async destroy() {
      try {
        markAs(state, 'destroying');
      } catch {
        // on a full disk the state cannot be written, and removing is what frees it
      }
      await inner.destroy();
      removeState(state.id);
    },
  };
}
