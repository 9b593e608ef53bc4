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
  /** The threads go before all others of their CPU: SCHED_RR. */
  realTime: boolean;
}

/**
 * Pins each worker's thread, and lets it go first where it mostly sleeps and the system allows it
 * (CAP_SYS_NICE). Without a CPU of its own it would go before the target, so there it does not.
 */
export async function placeThreads(
  threads: ReadonlyArray<number | null>,
  cpus: number | readonly number[] | null,
  plan: PlanInput,
): Promise<Placement> {
  if (cpus === null) return { warnings: [], realTime: false };
  const list = typeof cpus === 'number' ? [cpus] : cpus;
  try {
    for (const [worker, thread] of threads.entries()) {
      if (thread === null) throw new Error('the thread id is not known on this platform');
      const cpu = String(list[worker % list.length]);
      await run('taskset', ['-c', '-p', cpu, String(thread)]);
    }
  } catch (error) {
    const why = `the generator could not be pinned to CPU ${list.join(',')}: ${String(error)}`;
    return { warnings: [why], realTime: false };
  }
  if (spinShare(plan, threads.length) > MAX_SPIN_SHARE) return { warnings: [], realTime: false };
  try {
    for (const thread of threads) await run('chrt', ['--rr', '--pid', '1', String(thread)]);
    return { warnings: [], realTime: true };
  } catch {
    return { warnings: [], realTime: false }; // not allowed, or no chrt: as without
  }
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
