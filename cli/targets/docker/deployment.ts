/** One container: its life, its figures, its traces. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ScratchpadError } from '../../errors.ts';
import type { Meter } from '../../meters/meter.ts';
import { openMeter } from '../../meters/open.ts';
import { type CommandResult, lastLines, throwIfAborted } from '../command.ts';
import {
  DEPLOYMENT_MARKER,
  findMarked,
  identify,
  isAlive,
  OWNER_MARKER,
  type ProcessIdentity,
  terminate,
  waitUntilGone,
} from '../process-identity.ts';
import { markStart, type StartMark } from '../start-mark.ts';
import { ownerTag } from '../state.ts';
import type { Deployment, DeploymentState, Phase, StorageReading } from '../target.ts';
import { runArguments, STOP_GRACE_SECONDS } from './container.ts';
import { commandFailed, type Engine } from './engine.ts';
import { sinceArgument, startUpPhases } from './events.ts';
import { containerName, deploymentLabels, labelArguments, volumeName } from './labels.ts';
import { observedPath } from './path.ts';
import { containerStorage } from './storage.ts';

/** `Prepared.handles` of this target. */
export const handlesSchema = z.looseObject({
  image: z.string(),
  imageId: z.string(),
  base: z.looseObject({ kind: z.string(), reference: z.string(), id: z.string() }),
  engine: z.looseObject({ version: z.string(), sameKernel: z.boolean() }),
});

const inspectedSchema = z.looseObject({
  Status: z.string(),
  Running: z.boolean(),
  Pid: z.number(),
  ExitCode: z.number(),
  OOMKilled: z.boolean(),
  Error: z.string(),
});

/** The engine answers within a second or two; a minute means that it hangs. */
const CALL_TIMEOUT_MS = 60_000;
/**
 * A docker command of this deployment that outlived its CLI is given this long to end by itself: a
 * busy host's `docker run` takes seconds, and one that is cut off leaves open what the engine makes.
 */
const HELPER_GRACE_MS = 20_000;
/** What the engine had been asked for by a command that did not end is there by then, or never. */
const ENGINE_SETTLES_MS = 2_000;
const REMOVAL_TIMEOUT_MS = 30_000;

export class DockerDeployment implements Deployment {
  readonly state: DeploymentState;
  readonly pollsAfterStartCall = true;
  readonly #engine: Engine;
  #mark: StartMark | null = null;
  #startCall: Promise<void> | undefined;
  /** Why `docker run` failed, once it has. */
  #startError: ScratchpadError | null = null;
  #init: ProcessIdentity | null = null;

  constructor(state: DeploymentState, engine: Engine) {
    this.state = state;
    this.#engine = engine;
  }

  get url(): string {
    return this.state.url;
  }

  get startedAtNs(): bigint | null {
    return this.#mark?.ns ?? null;
  }

  get startCall(): Promise<void> | undefined {
    return this.#startCall;
  }

  get #name(): string {
    return containerName(this.state.id);
  }

  get #handles(): z.infer<typeof handlesSchema> {
    return handlesSchema.parse(this.state.prepared?.handles);
  }

  /** Marks every docker process that is started for this deployment, see `destroy`. */
  get #environment(): Record<string, string> {
    return { [DEPLOYMENT_MARKER]: this.state.id, [OWNER_MARKER]: ownerTag() };
  }

  /** The volume, then the start call, which goes on after this returns. */
  async launch(): Promise<void> {
    const { id, plan } = this.state;
    const args = ['volume', 'create', ...labelArguments(deploymentLabels(id)), volumeName(id)];
    await this.#engine.call(args, { env: this.#environment, timeoutMs: CALL_TIMEOUT_MS });
    this.#begin(runArguments(plan, this.#handles.image));
  }

  /**
   * t0, and at once the call. It takes a second and is not cut off by an abort: a docker process
   * that is killed half-way leaves it open whether the engine still makes the container.
   */
  #begin(args: string[]): void {
    this.#init = null;
    this.#startError = null;
    this.#mark = markStart();
    this.#startCall = this.#finishStart(args);
    // liveness and phases tell as well: a caller that does not await it is no bug
    this.#startCall.catch(() => {});
  }

  async #finishStart(args: string[]): Promise<void> {
    try {
      const options = { env: this.#environment, timeoutMs: CALL_TIMEOUT_MS };
      const result = await this.#engine.try(args, options);
      if (result.code !== 0) throw startFailed(args, result, this.state.plan.options.port);
      const path = this.state.plan.path;
      if (path === 'docker-proxy' && this.#handles.engine.sameKernel) {
        this.state.plan.path = observedPath(this.state.plan.options.port) ?? 'iptables';
      }
      if (args[0] === 'run') this.state.resources['containerId'] = result.stdout.trim();
    } catch (error) {
      this.#startError =
        error instanceof ScratchpadError
          ? error
          : new ScratchpadError('TARGET_START_FAILED', String(error), { cause: error });
      throw this.#startError;
    }
  }

  async phases(): Promise<Phase[]> {
    if (this.#mark === null) return [];
    await this.#startCall;
    const since = sinceArgument(this.#mark.wallMs);
    const filter = ['--filter', `container=${this.#name}`];
    const range = ['--since', since, '--until', sinceArgument(Date.now())];
    const [events, log] = await Promise.all([
      this.#engine.call(['events', ...filter, ...range, '--format', '{{json .}}']),
      this.logs(1000),
    ]);
    return startUpPhases(this.#mark.wallMs, events, log);
  }

  async meter(): Promise<Meter> {
    await this.#startCall;
    const local = this.#handles.engine.sameKernel;
    return openMeter({ kind: 'docker', containerId: this.#name, local });
  }

  async storage(): Promise<StorageReading> {
    await this.#startCall;
    const { image, base } = this.#handles;
    return containerStorage(this.#engine, {
      container: this.#name,
      volume: volumeName(this.state.id),
      image,
      base: base.reference,
    });
  }

  async logs(lines: number): Promise<string> {
    const result = await this.#engine.try(['logs', '--tail', String(lines), this.#name]);
    return result.code === 0 ? lastLines(`${result.stdout}${result.stderr}`, lines) : '';
  }

  /** Where the engine's kernel is this one, a look at /proc: no docker process each time. */
  async liveness(): Promise<{ alive: boolean; detail: string }> {
    if (this.#init && isAlive(this.#init)) return alive(this.#init.pid);
    const failed = await this.#startOutcome();
    if (failed) return { alive: false, detail: failed.message };
    const result = await this.#engine.try([
      'container',
      'inspect',
      '--format',
      '{{json .State}}',
      this.#name,
    ]);
    if (result.code !== 0) return { alive: false, detail: 'there is no such container' };
    const now = inspectedSchema.parse(JSON.parse(result.stdout));
    if (now.Running) {
      const sameKernel = this.state.prepared !== null && this.#handles.engine.sameKernel;
      this.#init = sameKernel ? identify(now.Pid) : null;
      return alive(now.Pid);
    }
    const memory = now.OOMKilled ? ', out of memory: killed at its memory ceiling' : '';
    const error = now.Error ? `: ${now.Error}` : '';
    const last = await this.logs(5);
    return {
      alive: false,
      detail: `container ${now.Status} with ${now.ExitCode}${memory}${error}${last === '' ? '' : `; its last lines: ${last}`}`,
    };
  }

  /** Why the start call failed; null where it did not, or was another process's. */
  async #startOutcome(): Promise<ScratchpadError | null> {
    await this.#startCall?.catch(() => {});
    return this.#startError;
  }

  async stop(signal?: AbortSignal): Promise<{ durationMs: number }> {
    await this.#startCall;
    const startedAt = performance.now();
    await this.#engine.call(['stop', '--time', String(STOP_GRACE_SECONDS), this.#name], {
      signal,
      env: this.#environment,
    });
    return { durationMs: performance.now() - startedAt };
  }

  async restart(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.#begin(['start', this.#name]);
  }

  /**
   * First whatever docker command of ours still runs (its CLI may have been killed in the middle of
   * `docker run`): else it could create the container after we have looked.
   */
  async destroy(): Promise<void> {
    const { id } = this.state;
    await this.#startOutcome();
    const helpers = findMarked(DEPLOYMENT_MARKER, id);
    if (!(await waitUntilGone(helpers, HELPER_GRACE_MS))) {
      await terminate(helpers, 500);
      await sleep(ENGINE_SETTLES_MS);
    }
    // prepare makes images, which are kept as a cache: there is no container before start
    if (this.state.prepared === null) return;
    const options = { timeoutMs: REMOVAL_TIMEOUT_MS };
    await this.#remove(['container', 'rm', '--force', '--volumes', this.#name], options);
    await this.#remove(['volume', 'rm', '--force', volumeName(id)], options);
  }

  async #remove(args: string[], options: { timeoutMs: number }): Promise<void> {
    const result = await this.#engine.try(args, options);
    if (result.code === 0 || /no such (container|volume)/i.test(result.stderr)) return;
    if (/removal of container .* is already in progress/i.test(result.stderr)) {
      const wait = ['container', 'wait', '--condition', 'removed', this.#name];
      await this.#engine.try(wait, options);
      return;
    }
    throw commandFailed(args, result);
  }
}

function alive(pid: number): { alive: true; detail: string } {
  return { alive: true, detail: pid > 0 ? `pid ${pid}` : 'running' };
}

/** The port may have been taken between our check and the engine's. */
function startFailed(args: string[], result: CommandResult, port: number): ScratchpadError {
  const said = result.timedOut ? 'the engine does not answer' : lastLines(result.stderr, 3);
  if (/port is already allocated|address already in use/i.test(said)) {
    return new ScratchpadError('PORT_IN_USE', `127.0.0.1:${port} is in use.`, {
      cause: said,
      hint: 'Choose another port with `--port`, or end what holds it.',
    });
  }
  return new ScratchpadError('TARGET_START_FAILED', `docker ${args[0]} failed: ${said}`, {
    hint: 'Look at the engine’s own log; `scratchpad doctor` checks the engine.',
  });
}
