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
  /** How long the worst off worker was ready to run and had no CPU; NaN: unknown. */
  waitedForCpuMs: number;
  /** Share of the host's CPU time that the hypervisor took; NaN: unknown. */
  hostSteal: number;
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
/** A closed loop keeps its generator busy by nature; above this it has nothing left. */
const CLOSED_LOOP_CPU = 0.95;

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
  if (input.loop === 'closed') return reasons;
  const { lag, service, counts } = input;
  const allowedUs = Math.max(MAX_LAG_US, MAX_LAG_SHARE_OF_SERVICE * service.percentile(50));
  const lagUs = lag.percentile(99);
  if (lag.count > 0 && lagUs > allowedUs) {
    const waited = input.waitedForCpuMs;
    const because = waited >= 1 ? `; other programs had its CPU for ${waited.toFixed(0)} ms` : '';
    reasons.push(`send lag p99 ${ms(lagUs)} is above ${ms(allowedUs)}${because}`);
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

function limiter(input: VerdictInput, reasons: string[]): LoadMeasurement['limiter'] {
  if (input.hostSteal > MAX_STEAL) return 'host';
  if (reasons.length > 0) return 'generator';
  const { counts, service, loop } = input;
  if (counts.planned === 0) return 'none';
  if (counts.answered === 0) return 'target';
  // A target with room answers at its own pace whatever the concurrency; one without queues, and
  // its service time rises above the fastest answers.
  const isQueueing = service.count > 0 && service.percentile(50) > 2 * service.percentile(1);
  if (loop === 'closed') {
    if (input.cpuUtilization > CLOSED_LOOP_CPU) return 'generator';
    return isQueueing ? 'target' : 'connection-cap';
  }
  const keptUp = (input.answeredInTime + counts.failed) / counts.planned >= MIN_ISSUED;
  const waited = input.queued / counts.planned > 0.01 && input.wait.percentile(99) > MAX_LAG_US;
  if (keptUp && !waited) return 'none';
  if (waited && !isQueueing) return 'connection-cap';
  return keptUp ? 'none' : 'target';
}
