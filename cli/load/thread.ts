/** What the operating system knows of this thread alone. */
import { readFileSync, readlinkSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { nowUs } from './clock.ts';
import { Heartbeat } from './heartbeat.ts';

/** What this thread used since `startThreadUse`. */
export interface ThreadUse {
  /** NaN where the platform does not tell. */
  cpuMs: number;
  /** Ready to run, and without a CPU; NaN: unknown. */
  waitedForCpuMs: number;
  /** Stood still for so long together, and at a stretch: see heartbeat.ts; NaN: not watched. */
  stoodStillMs: number;
  longestStopMs: number;
  elapsedMs: number;
  /** Share of the time in which its event loop had work, 0 to 1. */
  utilization: number;
}

const NOT_WATCHED = { totalUs: Number.NaN, longestUs: Number.NaN };

/** From now on; the returned function reads it, once. */
export function startThreadUse({ watchStops }: { watchStops: boolean }): () => ThreadUse {
  const startUs = nowUs();
  const cpuMs = threadCpuMs();
  const waitedMs = threadWaitMs();
  const utilization = performance.eventLoopUtilization();
  const heartbeat = watchStops ? new Heartbeat(nowUs, () => threadCpuMs() * 1000).start() : null;
  return () => {
    const { totalUs, longestUs } = heartbeat?.stop() ?? NOT_WATCHED;
    return {
      cpuMs: threadCpuMs() - cpuMs,
      waitedForCpuMs: threadWaitMs() - waitedMs,
      stoodStillMs: totalUs / 1000,
      longestStopMs: longestUs / 1000,
      elapsedMs: (nowUs() - startUs) / 1000,
      utilization: performance.eventLoopUtilization(utilization).utilization,
    };
  };
}

/** CPU time of this thread alone in ms; NaN where the platform does not tell. */
function threadCpuMs(): number {
  const read = (process as { threadCpuUsage?: () => { user: number; system: number } })
    .threadCpuUsage;
  if (read) {
    const { user, system } = read.call(process);
    return (user + system) / 1000;
  }
  return schedulerMs()[0];
}

/** How long this thread was ready to run while others had its CPU, in ms; NaN: unknown. */
function threadWaitMs(): number {
  return schedulerMs()[1];
}

function schedulerMs(): [ran: number, waited: number] {
  try {
    const fields = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
    return [Number(fields[0]) / 1e6, Number(fields[1]) / 1e6];
  } catch {
    return [Number.NaN, Number.NaN];
  }
}

/** The kernel's id of this thread, for pinning; null where /proc does not tell. */
export function kernelThreadId(): number | null {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').pop());
  } catch {
    return null;
  }
}
