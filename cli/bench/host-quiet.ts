/** Cool-down: wait until the host is as quiet as it was before the bench. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const STEP_MS = 250;

interface CpuTimes {
  busy: number;
  total: number;
}

async function readCpuTimes(): Promise<CpuTimes | null> {
  try {
    const [first = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
    const fields = first.trim().split(/\s+/).slice(1, 9).map(Number);
    const total = fields.reduce((sum, value) => sum + value, 0);
    const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
    return { busy: total - idle, total };
  } catch {
    return null; // no /proc: macOS, Windows
  }
}

/** Share of all CPUs that was busy over `ms`; null where the host does not say. */
export async function busyShare(ms: number, signal: AbortSignal): Promise<number | null> {
  const before = await readCpuTimes();
  await pause(ms, signal);
  const after = await readCpuTimes();
  if (!before || !after || after.total === before.total) return null;
  return (after.busy - before.busy) / (after.total - before.total);
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
