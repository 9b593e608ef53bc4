/** The start call: the workload as a detached process that survives this one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import { infraFolder } from '../../host/paths.ts';
import { markStart, type StartMark } from '../start-mark.ts';
import { type Cgroup, procsFiles } from './cgroup.ts';

export interface LaunchRequest {
  command: string[];
  environment: Record<string, string>;
  cwd: string;
  logFile: string;
  cgroup: Cgroup | null;
  /** Where no cgroup pins: by taskset. */
  cpuSet: number[] | null;
}

export interface Launched {
  child: ChildProcess;
  pid: number;
  mark: StartMark;
}

/**
 * Spawns and returns at once. On Linux a shell of a few milliseconds joins the cgroup and execs, so
 * pid and start time are the workload's own.
 * @throws TARGET_START_FAILED where the operating system refuses
 */
export async function launch(request: LaunchRequest): Promise<Launched> {
  const [file, ...args] = wrap(request) as [string, ...string[]];
  const log = openSync(request.logFile, 'a', 0o600);
  try {
    const mark = markStart();
    const child = spawn(file, args, {
      cwd: request.cwd,
      env: request.environment,
      stdio: ['ignore', log, log],
      detached: true,
      windowsHide: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return { child, pid: child.pid!, mark };
  } catch (error) {
    throw new ScratchpadError('TARGET_START_FAILED', `Cannot start ${file}.`, { cause: error });
  } finally {
    closeSync(log);
  }
}

function wrap({ command, cgroup, cpuSet }: LaunchRequest): string[] {
  if (process.platform !== 'linux') return command;
  const joins = cgroup === null ? [] : procsFiles(cgroup).flatMap((path) => ['-j', path]);
  const pin = cpuSet !== null && !cgroup?.pinned ? ['-c', cpuSet.join(',')] : [];
  if (joins.length === 0 && pin.length === 0) return command;
  const script = join(infraFolder, 'host', 'join-and-exec.sh');
  return ['/bin/sh', script, ...joins, ...pin, '--', ...command];
}
