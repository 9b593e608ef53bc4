/** Cool-down: wait until the host is as quiet as it was before the bench. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpuTicks } from '../host/cpu-ticks.ts';

const STEP_MS = 250;

/** Share of all CPUs that was busy over `ms`; null where the host does not say. */
export async function busyShare(ms: number, signal: AbortSignal): Promise<number | null> {
  const before = readCpuTicks();
  await pause(ms, signal);
  const after = readCpuTicks();
  if (!before || !after || after.all === before.all) return null;
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

/**
 * Returns how long it waited, and how busy the host was then. Gives up after `maxMs`: the trial
 * goes on and its record says how busy the host was.
 */
export async function coolDown(options: {
  baseline: number | null;
  maxMs: number;
  signal: AbortSignal;
}): Promise<{ waitedMs: number; busyShare: number | null }> {
  const { baseline, maxMs, signal } = options;
  const start = performance.now();
  let busy: number | null;
  do {
    busy = await busyShare(Math.min(STEP_MS, maxMs), signal);
    if (busy === null || busy <= (baseline ?? 0) + 0.05) break;
  } while (performance.now() - start < maxMs);
  return { waitedMs: performance.now() - start, busyShare: busy };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}
