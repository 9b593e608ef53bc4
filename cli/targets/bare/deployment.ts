/** One bare process: its life, its figures, its traces. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { type ErrorCode, ScratchpadError } from '../../errors.ts';
import type { Meter } from '../../meters/meter.ts';
import { openMeter } from '../../meters/open.ts';
import { listeningAtMs } from '../app-log.ts';
import { readArtifact } from '../artifact.ts';
import { throwIfAborted } from '../command.ts';
import { tailOfFile } from '../log-file.ts';
import { isAlive, type ProcessIdentity, terminate } from '../process-identity.ts';
import type { StartMark } from '../start-mark.ts';
import { deploymentFolder } from '../state.ts';
import { storagePart } from '../storage-part.ts';
import type { Deployment, DeploymentState, Phase, StorageReading } from '../target.ts';
import { type Cgroup, oomKills, removeCgroup } from './cgroup.ts';
import { cgroupName, dataFolder, logFile } from './names.ts';
import { processesOf } from './processes.ts';
import { startProcess } from './start-process.ts';

/** What `state.resources` holds. JSON. */
export interface BareResources {
  process: ProcessIdentity | null;
  cgroup: Cgroup | null;
  runtimePath: string;
  log: string;
}

/** The workload drains for at most 10 s by itself. */
const STOP_GRACE_MS = 12_000;
/** Before data is thrown away there is nothing to drain for. */
const DESTROY_GRACE_MS = 1_000;

export class BareDeployment implements Deployment {
  readonly state: DeploymentState;
  #mark: StartMark | null = null;
  #child: ChildProcess | null = null;

  constructor(state: DeploymentState) {
    this.state = state;
  }

  get url(): string {
    return this.state.url;
  }

  get startedAtNs(): bigint | null {
    return this.#mark?.ns ?? null;
  }

  get #resources(): Partial<BareResources> {
    return this.state.resources as Partial<BareResources>;
  }

  /** The start call, of `start` and of `restart`. Returns warnings: ceilings that were refused. */
  async launch(): Promise<string[]> {
    const { plan, prepared } = this.state;
    if (prepared === null) throw new Error('bare: launch before prepare');
    const existing = this.#resources.cgroup ?? null;
    const started = await startProcess(plan, prepared, existing);
    const { child, process, mark, cgroup, warnings } = started;
    this.#child = child;
    this.#mark = mark;
    Object.assign(this.state.resources, { process, cgroup });
    return warnings;
  }

  async phases(): Promise<Phase[]> {
    if (this.#mark === null) return [];
    const { wallMs } = this.#mark;
    const atMs = listeningAtMs(tailOfFile(logFile(this.state.id), 1000), wallMs);
    if (atMs === null) return [];
    return [{ name: 'start to listening', startMs: 0, endMs: atMs - wallMs, source: 'app log' }];
  }

  async meter(): Promise<Meter> {
    const { process, cgroup } = this.#resources;
    if (!process || !isAlive(process)) throw this.#notRunning();
    const filesPath = dataFolder(this.state.id);
    if (cgroup?.version === 1) {
      return openMeter({ kind: 'cgroup', v1: cgroup.folders, filesPath });
    }
    if (cgroup?.version === 2) {
      return openMeter({ kind: 'cgroup', v2: { folder: cgroup.folders.unified! }, filesPath });
    }
    return openMeter({ kind: 'process-tree', rootPid: process.pid, filesPath });
  }

  async storage(): Promise<StorageReading> {
    const { id, plan } = this.state;
    return {
      parts: await Promise.all([
        storagePart('runtime', 'shared', this.#resources.runtimePath ?? process.execPath),
        storagePart('bundle', 'shared', readArtifact(plan.options.artifactFolder).folder),
        storagePart('database', 'marginal', dataFolder(id)),
        storagePart('log', 'marginal', logFile(id)),
      ]),
    };
  }

  async logs(lines: number): Promise<string> {
    return tailOfFile(logFile(this.state.id), lines);
  }

  async liveness(): Promise<{ alive: boolean; detail: string; code?: ErrorCode }> {
    const { process, cgroup } = this.#resources;
    if (!process) return { alive: false, detail: 'never started' };
    if (isAlive(process)) return { alive: true, detail: `pid ${process.pid}` };
    const child = this.#child;
    await exitSeen(child);
    const end =
      child?.signalCode != null
        ? `ended by ${child.signalCode}`
        : child?.exitCode != null
          ? `exited with ${child.exitCode}`
          : 'has ended';
    const kills = cgroup ? (oomKills(cgroup) ?? 0) : 0;
    const memory = kills > 0 ? ', out of memory: killed by the kernel at its memory ceiling' : '';
    const last = tailOfFile(logFile(this.state.id), 5);
    return {
      alive: false,
      detail: `pid ${process.pid} ${end}${memory}${last === '' ? '' : `; its last lines: ${last}`}`,
      // another program took the port after it had been found free
      ...(last.includes('"code":"EADDRINUSE"') ? { code: 'PORT_IN_USE' as const } : {}),
    };
  }

  async stop(signal?: AbortSignal): Promise<{ durationMs: number }> {
    throwIfAborted(signal);
    const { process } = this.#resources;
    const startedAt = performance.now();
    const left = process ? await terminate([process], STOP_GRACE_MS) : [];
    if (left.length > 0) throw this.#cannotEnd(left);
    return { durationMs: performance.now() - startedAt };
  }

  async restart(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { process } = this.#resources;
    if (process && isAlive(process)) throw new Error('bare: restart of a running process');
    await this.launch();
  }

  async destroy(): Promise<void> {
    const { id } = this.state;
    const recorded = this.#resources.process ?? null;
    const left = await terminate(processesOf(id, recorded), DESTROY_GRACE_MS);
    if (left.length > 0) throw this.#cannotEnd(left);
    await removeCgroup(cgroupName(id)).catch((error: unknown) => {
      throw new ScratchpadError('CLEANUP_INCOMPLETE', `A cgroup of bare ${id} is left.`, {
        cause: error,
      });
    });
    rmSync(deploymentFolder(id), { recursive: true, force: true });
  }

  #notRunning(): ScratchpadError {
    return new ScratchpadError('TARGET_DIED', `The bare process of ${this.url} is not running.`, {
      hint: `Its log: ${logFile(this.state.id)}`,
    });
  }

  #cannotEnd(left: ProcessIdentity[]): ScratchpadError {
    const pids = left.map(({ pid }) => pid).join(', ');
    return new ScratchpadError('CLEANUP_INCOMPLETE', `Process ${pids} does not end.`, {
      hint: 'It may belong to another user, or wait in the kernel for a disk.',
    });
  }
}

/** /proc shows the end before this process has been told the exit code: wait for that. */
async function exitSeen(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  await once(child, 'exit', { signal: AbortSignal.timeout(1_000) }).catch(() => {});
}

/** A quota above the number of CPUs is no ceiling at all. Whatever this process is pinned to. */
export function exceedsHost(limit: number): boolean {
  return limit > cpus().length;
}
