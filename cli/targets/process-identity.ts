/**
 * Which process is meant: a pid alone is not enough, since pids are used again. On Linux the start
 * time of /proc/PID/stat makes it unique; the environment marker says whose it is.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Environment variables that mark every process started for a deployment. */
export const DEPLOYMENT_MARKER = 'SCRATCHPAD_DEPLOYMENT';
export const OWNER_MARKER = 'SCRATCHPAD_OWNER';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat); null where there is no /proc. */
  startTicks: number | null;
}

const hasProc = process.platform === 'linux';

/** Fields of /proc/PID/stat after the command's name, which may itself hold spaces and brackets. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

export function identify(pid: number): ProcessIdentity {
  const ticks = statFields(pid)?.[19];
  return { pid, startTicks: ticks === undefined ? null : Number(ticks) };
}

/** Does this very process still run? A zombie does not. */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  if (!hasProc) {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
  }
  const fields = statFields(pid);
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return false;
  return startTicks === null || Number(fields[19]) === startTicks;
}

/** One variable of a process's environment at exec; undefined where it has none or is not ours. */
export function environmentOf(pid: number, name: string): string | undefined {
  try {
    const entry = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .find((line) => line.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

/** Living processes whose environment has `name=value` (or `name` at all), this one excepted. */
export function findMarked(name: string, value?: string): ProcessIdentity[] {
  if (!hasProc) return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter((pid) => {
      const found = environmentOf(pid, name);
      return found !== undefined && (value === undefined || found === value);
    })
    .map(identify)
    .filter(isAlive);
}

/** Resolves true when all have ended, false when `timeoutMs` has passed first. */
export async function waitUntilGone(
  processes: readonly ProcessIdentity[],
  timeoutMs: number,
): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while (processes.some(isAlive)) {
    if (performance.now() > until) return false;
    await sleep(5);
  }
  return true;
}

/** SIGTERM, then SIGKILL after `graceMs`. Returns those that are still there even so. */
export async function terminate(
  processes: readonly ProcessIdentity[],
  graceMs: number,
): Promise<ProcessIdentity[]> {
  signalAll(processes, 'SIGTERM');
  if (!(await waitUntilGone(processes, graceMs))) {
    signalAll(processes, 'SIGKILL');
    await waitUntilGone(processes, 5_000);
  }
  return processes.filter(isAlive);
}

function signalAll(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const identity of processes) {
    if (!isAlive(identity)) continue;
    try {
      process.kill(identity.pid, signal);
    } catch {
      // ended in between, or not ours: the caller looks again
    }
  }
}
