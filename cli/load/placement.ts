/**
 * Where the generator's threads run, and before whom. On a CPU of their own they still meet what the
 * system runs there: this program's own main thread, daemons, the kernel's workers. A thread that
 * mostly sleeps may go before all of them; one that spins must not, since what the CPU has to do for the
 * kernel would wait for it (tried at 1,000/s: send lag p99 of 40 ms instead of 0.2).
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { TIMER_ABOVE_US } from './pacer.ts';
import { type PlanInput, stagesOf } from './plan.ts';

const run = promisify(execFile);

/** Largest share of its time that a thread in real time may spend waiting awake. */
const MAX_SPIN_SHARE = 0.25;

export interface Placement {
  /** What was asked for and could not be done. */
  warnings: string[];
  /** The CPU of each thread; absent: not pinned. */
  cpus?: number[];
  /** The threads go before all others of their CPU: SCHED_RR. */
  realTime: boolean;
}

/** The CPU of each of `workers` threads: one of its own, in turn where there are fewer. Pure. */
export function spread(workers: number, cpus: readonly number[]): number[] {
  return Array.from({ length: workers }, (_, worker) => cpus[worker % cpus.length]!);
}

/**
 * Pins each worker's thread to its CPU, and lets it go first where it mostly sleeps and the system allows
 * it (CAP_SYS_NICE). Without a CPU of its own it would go before the target, or before another worker
 * that is due, so there it does not.
 */
export async function placeThreads(
  threads: ReadonlyArray<number | null>,
  cpus: number | readonly number[] | null,
  plan: PlanInput,
): Promise<Placement> {
  const list = typeof cpus === 'number' ? [cpus] : (cpus ?? []);
  if (list.length === 0) return { warnings: [], realTime: false };
  const chosen = spread(threads.length, list);
  try {
    for (const [worker, thread] of threads.entries()) {
      if (thread === null) throw new Error('the thread id is not known on this platform');
      await run('taskset', ['-c', '-p', String(chosen[worker]), String(thread)]);
    }
  } catch (error) {
    const why = `the generator could not be pinned to CPU ${list.join(',')}: ${String(error)}`;
    return { warnings: [why], realTime: false };
  }
  const pinned = { warnings: shareWarnings(chosen), cpus: chosen };
  const isShared = new Set(chosen).size < chosen.length;
  if (isShared || spinShare(plan, threads.length) > MAX_SPIN_SHARE) {
    return { ...pinned, realTime: false };
  }
  try {
    for (const thread of threads) await run('chrt', ['--rr', '--pid', '1', String(thread)]);
    return { ...pinned, realTime: true };
  } catch {
    return { ...pinned, realTime: false }; // not allowed, or no chrt: as without
  }
}

/** Pure. */
export function shareWarnings(chosen: readonly number[]): string[] {
  const cpus = [...new Set(chosen)].sort((a, b) => a - b);
  if (cpus.length === chosen.length) return [];
  return [
    `${chosen.length} workers share CPU ${cpus.join(', ')}: no more was left beside the target, and ` +
      'workers that take turns send no more than as many as there are CPUs',
  ];
}

/**
 * The largest share of its time that each of `workers` threads waits awake: before each request the
 * pacer turns the event loop for up to TIMER_ABOVE_US. A closed loop never rests. Pure.
 */
export function spinShare(plan: PlanInput, workers: number): number {
  if (plan.loop === 'closed') return 1;
  const peak = Math.max(...stagesOf(plan).flatMap(({ fromRate, toRate }) => [fromRate, toRate]));
  return Math.min(1, ((peak / workers) * TIMER_ABOVE_US) / 1e6);
}
