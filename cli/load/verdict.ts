/**
 * Whom the figures are about: the verdict *client-limited* (METHOD 1: the generator, not the target,
 * was the bottleneck, so the result is void) and the limiter by name. Pure.
 */
import type { Histogram } from '../stats/histogram.ts';
import type { LoadMeasurement } from './types.ts';

export interface VerdictInput {
  loop: 'open' | 'closed';
  durationMs: number;
  connections: number;
  counts: LoadMeasurement['counts'];
  /** Measured requests that the generator took up before the end of the measured time. */
  takenInTime: number;
  answeredInTime: number;
  /** Measured requests that had to queue for a connection. */
  queued: number;
  lag: Histogram;
  service: Histogram;
  wait: Histogram;
  /** Share of its time that the busiest worker's event loop was active, waiting spins excluded. */
  loopUtilization: number;
  /** CPU time over elapsed time of the busiest worker, waiting spins excluded; NaN: unknown. */
  cpuUtilization: number;
  /** How long the worst off worker was ready to run and had no CPU, and as a share; NaN: unknown. */
  waitedForCpuMs: number;
  waitedShare: number;
  /** Closed loop: how the worst off worker stood still (heartbeat.ts); NaN: not watched. */
  stoodStillShare: number;
  longestStopMs: number;
  /** Generator and target share the only CPU: they take turns, and a warning says so. */
  takesTurns: boolean;
  /** Runs of a benchmark module: what their own thread waits for is theirs. */
  runsModule: boolean;
  /** The record's. */
  errors: Readonly<Record<string, number>>;
  /** Share of the host's CPU time that the hypervisor took; NaN: unknown. */
  hostSteal: number;
  /** Share of the host's CPU time that was used, waiting spins excluded; NaN: unknown. */
  hostBusy: number;
  interrupted: boolean;
}

export interface Verdict {
  clientLimited: boolean;
  reasons: string[];
  limiter: LoadMeasurement['limiter'];
}

const MAX_LAG_US = 1000;
const MAX_LAG_SHARE_OF_SERVICE = 0.05;
const MIN_ISSUED = 0.99;
const MAX_LOOP_UTILIZATION = 0.8;
const MAX_CPU_UTILIZATION = 0.85;
const MAX_STEAL = 0.02;
/** So long at a stretch, or so much of the time, a generator may not be without a CPU. */
const MAX_STOP_MS = 1000;
const MAX_STARVED_SHARE = 0.25;
/** The host has nothing left, and the generator waited for its share of it. */
const HOST_FULL = 0.95;
const HOST_WAITED_SHARE = 0.05;
/** A closed loop keeps its generator busy by nature; above this it has nothing left. */
const CLOSED_LOOP_CPU = 0.95;

/** Errors of the generator's own side: the request never got as far as the target. */
const GENERATOR_ERRORS: Record<string, { what: string; hint: string }> = {
  EMFILE: {
    what: 'the generator may open no more files',
    hint: 'Raise the limit of open files (`ulimit -n`), or lower --connections',
  },
  ENFILE: {
    what: 'this host may open no more files',
    hint: 'Raise fs.file-max, end what holds so many files, or lower --connections',
  },
  EADDRNOTAVAIL: {
    what: 'no local address and port was left to connect from',
    hint: 'Let the server keep its connections, lower --rate, or widen net.ipv4.ip_local_port_range',
  },
  ENOBUFS: {
    what: 'this host had no memory left for sockets',
    hint: 'Lower --connections',
  },
};

/** What to do about the generator's own errors; empty where there were none. */
export function generatorHints(errors: Readonly<Record<string, number>>): string[] {
  return Object.entries(GENERATOR_ERRORS).flatMap(([name, { hint }]) =>
    (errors[name] ?? 0) > 0 ? [hint] : [],
  );
}

const ms = (us: number) => `${(us / 1000).toFixed(2)} ms`;
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

export function verdict(input: VerdictInput): Verdict {
  const reasons = clientReasons(input);
  return { clientLimited: reasons.length > 0, reasons, limiter: limiter(input, reasons) };
}

function clientReasons(input: VerdictInput): string[] {
  const reasons: string[] = [];
  if (input.hostSteal > MAX_STEAL) {
    reasons.push(`host steal ${percent(input.hostSteal)} is above ${percent(MAX_STEAL)}`);
  }
  for (const [name, { what }] of Object.entries(GENERATOR_ERRORS)) {
    const count = input.errors[name] ?? 0;
    if (count > 0) reasons.push(`${count} requests failed here with ${name}: ${what}`);
  }
  if (input.loop === 'closed') return [...reasons, ...starved(input)];
  const { lag, service, counts } = input;
  const allowedUs = Math.max(MAX_LAG_US, MAX_LAG_SHARE_OF_SERVICE * service.percentile(50));
  const lagUs = lag.percentile(99);
  if (lag.count > 0 && lagUs > allowedUs) {
    const waited = input.waitedForCpuMs;
    const because = waited >= 1 ? `; other programs had its CPU for ${waited.toFixed(0)} ms` : '';
    reasons.push(`send lag p99 ${ms(lagUs)} is above ${ms(allowedUs)}${because}`);
  }
  // a run of a module may block the thread for long: one in a hundred is its own affair
  const stopUs = Math.max(MAX_STOP_MS * 1000, allowedUs);
  if (!input.runsModule && lag.max >= stopUs && lagUs <= allowedUs) {
    reasons.push(`send lag reached ${ms(lag.max)}: the generator stood still`);
  }
  const issued = counts.planned === 0 ? 1 : input.takenInTime / counts.planned;
  if (issued < MIN_ISSUED && !input.interrupted) {
    reasons.push(`only ${percent(issued)} of the planned requests were taken up in time`);
  }
  if (input.loopUtilization > MAX_LOOP_UTILIZATION) {
    reasons.push(`event loop utilisation ${percent(input.loopUtilization)} is above 80 %`);
  }
  if (input.cpuUtilization > MAX_CPU_UTILIZATION) {
    reasons.push(`a worker used ${percent(input.cpuUtilization)} of a CPU, above 85 %`);
  }
  return reasons;
}

/** A closed loop has no lag: that it could not run shows only in the time that it did not. */
function starved(input: VerdictInput): string[] {
  if (input.runsModule) return [];
  if (input.longestStopMs >= MAX_STOP_MS) {
    return [`the generator stood still for ${ms(input.longestStopMs * 1000)} at a stretch`];
  }
  const share = Math.max(input.waitedShare || 0, input.stoodStillShare || 0);
  if (input.takesTurns || share <= MAX_STARVED_SHARE) return [];
  const most = percent(MAX_STARVED_SHARE);
  return [`the generator was without a CPU for ${percent(share)} of the time, above ${most}`];
}

function limiter(input: VerdictInput, reasons: string[]): LoadMeasurement['limiter'] {
  if (input.hostSteal > MAX_STEAL) return 'host';
  if (generatorHints(input.errors).length > 0) return 'generator';
  const isHostFull = input.hostBusy > HOST_FULL && input.waitedShare > HOST_WAITED_SHARE;
  if (reasons.length > 0) return isHostFull ? 'host' : 'generator';
  const { counts, service, loop } = input;
  if (counts.planned === 0) return 'none';
  if (counts.answered === 0) return 'target';
  // A target with room answers at its own pace whatever the concurrency; one without queues, and
  // its service time rises above the fastest answers.
  const isQueueing = service.count > 0 && service.percentile(50) > 2 * service.percentile(1);
  if (loop === 'closed') {
    if (input.cpuUtilization > CLOSED_LOOP_CPU) return 'generator';
    if (isHostFull) return 'host';
    return isQueueing ? 'target' : 'connection-cap';
  }
  const waited = input.queued / counts.planned > 0.01 && input.wait.percentile(99) > MAX_LAG_US;
  // under way at the end is, of a target that keeps up, what comes in while one request is served
  const perMs = counts.planned / input.durationMs;
  const underWay = isQueueing || waited ? 0 : (perMs * service.percentile(95)) / 1000;
  const inTime = input.answeredInTime + counts.failed + underWay;
  const keptUp = inTime / counts.planned >= MIN_ISSUED;
  if (keptUp && !waited) return 'none';
  if (isHostFull) return 'host';
  if (waited && !isQueueing) return 'connection-cap';
  return keptUp ? 'none' : 'target';
}
