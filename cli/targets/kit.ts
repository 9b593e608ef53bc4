/**
 * What a target from outside is handed, so that it need not import scratchpad and finds every
 * helper that the built-in targets use. Types: `import type { TargetKit } from 'scratchpad/target'`.
 */
import { mkdirSync } from 'node:fs';
import { ScratchpadError } from '../errors.ts';
import { openMeter } from '../meters/open.ts';
import { unavailable } from '../record/measured.ts';
import { listeningAtMs } from './app-log.ts';
import { createCgroup, removeCgroup } from './bare/cgroup.ts';
import { launch } from './bare/launch.ts';
import { cgroupName } from './bare/names.ts';
import { processesOf } from './bare/processes.ts';
import { runCommand } from './command.ts';
import { hostWorkload } from './host-workload.ts';
import { tailOfFile } from './log-file.ts';
import {
  DEPLOYMENT_MARKER,
  identify,
  isAlive,
  OWNER_MARKER,
  terminate,
} from './process-identity.ts';
import { deploymentFolder, newState, ownerTag, saveState } from './state.ts';
import { storagePart } from './storage-part.ts';
import type { DeployOptions, Target } from './target.ts';
import { type WorkloadPlace, workloadEnvironment } from './workload-env.ts';

/**
 * The workload's whole environment; `place` is inside of the target. It bears the deployment's mark:
 * a process on this host that has it is found by `processesOf` and by `down --all`, also after a crash.
 */
function environment(options: DeployOptions, place: WorkloadPlace): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    ...workloadEnvironment(options, place),
    [DEPLOYMENT_MARKER]: options.id,
    [OWNER_MARKER]: ownerTag(),
  };
}

/** The deployment's own folder, made; it goes away with the deployment's state. */
function folderOf(id: string): string {
  const folder = deploymentFolder(id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

export type { HostWorkload } from './host-workload.ts';
export type { StartMark } from './start-mark.ts';
export type * from './target.ts';

export const targetKit = {
  /** `throw new kit.ScratchpadError('TARGET_START_FAILED', 'What happened', { cause, hint })` */
  ScratchpadError,
  /** The reason in the place of a figure that could not be had. */
  unavailable,
  /** The workload on this host, verified; of a deployment: `kit.workload(plan.options)`. */
  workload: hostWorkload,
  /** The state of a deployment that is about to be made. */
  newState,
  environment,
  folderOf,
  /** Writes the state file at once: call it before each thing that you create. */
  saveState,
  /** Runs a program to its end: exit code, stdout, stderr; honours an AbortSignal. */
  run: runCommand,
  /** Spawns a detached process with its output in a file; `mark` is t0 of its start. */
  launch,
  /** A cgroup of this deployment with `limits`, or the reason why there is none. */
  createCgroup: (
    id: string,
    limits: DeployOptions['limits'],
    cpuSet: DeployOptions['cpuSet'],
  ): ReturnType<typeof createCgroup> => createCgroup(cgroupName(id), limits, cpuSet),
  removeCgroup: (id: string): Promise<void> => removeCgroup(cgroupName(id)),
  /** Processes of a deployment on this host, by mark and by cgroup. */
  processesOf,
  /** A pid with its start time, so that a pid that is used again is not mistaken for it. */
  identify,
  isAlive,
  /** SIGTERM, then SIGKILL after `graceMs`; returns those that are still there. */
  terminate,
  /** The one ruler: see MeterSpec for what it can read. */
  openMeter,
  /** One part of `storage()`, from a path. */
  storagePart,
  /** The last lines of a file. */
  tailOfFile,
  /** When the workload's log says that it listens, in ms since 1970; null: it does not yet. */
  listeningAtMs,
};

export type TargetKit = typeof targetKit;

/** What a target module exports as default. */
export type CreateTarget = (kit: TargetKit) => Target;
