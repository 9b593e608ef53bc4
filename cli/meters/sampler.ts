/**
 * One reading per interval, on a grid that is fixed at the start: a late reading moves none of the
 * later ones. What the sampler could not do in time it counts and says, since a series with holes
 * that are not marked looks like a quiet target.
 */
import { nowMs } from './clock.ts';
import type { Meter, MeterReading } from './meter.ts';

export interface SamplerOptions {
  /** Default 1000; a meter that is slower to answer lengthens it to its `minIntervalMs`. */
  intervalMs?: number;
  /** When so many are held, every second one is dropped and the interval doubles. Default 3600. */
  maxSamples?: number;
  /** Each reading as it is taken, for a live view. */
  onSample?: (reading: MeterReading) => void;
}

export interface SamplerReport {
  samples: MeterReading[];
  /** The interval at the end: larger than asked where samples were thinned out. */
  intervalMs: number;
  taken: number;
  /** Readings that began more than a tenth of the interval after their time. */
  late: number;
  maxLateMs: number;
  /** Grid points that passed without a reading: the sampler had no CPU, or a reading hung. */
  missed: number;
  /** Readings that threw; their grid points count as missed. */
  failed: number;
  /** The meter's own cost: CPU of the reading thread, in all and as a share of one CPU. */
  costCpuMs: number;
  costCpuShare: number;
  /** More than a tenth of the grid missed: peaks between samples may have gone unseen. */
  starved: boolean;
  warnings: string[];
}

export interface Sampler {
  /** Stops after the reading that is under way. Idempotent. Does not close the meter. */
  stop(): Promise<SamplerReport>;
}

/** Above this share of one CPU the meter itself disturbs what it measures, and a warning says so. */
export const MAX_COST_SHARE = 0.01;

export function startSampler(meter: Meter, options: SamplerOptions = {}): Sampler {
  const { maxSamples = 3600, onSample } = options;
  let intervalMs = Math.max(options.intervalMs ?? 1000, meter.minIntervalMs ?? 0);
  const startMs = nowMs();
  let samples: MeterReading[] = [];
  let due = startMs;
  let taken = 0;
  let late = 0;
  let maxLateMs = 0;
  let missed = 0;
  let failed = 0;
  let costCpuMs = 0;
  let lastError = '';
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> = Promise.resolve();
  let report: Promise<SamplerReport> | undefined;

  const sample = async () => {
    const lateMs = nowMs() - due;
    if (lateMs > intervalMs / 10) late += 1;
    maxLateMs = Math.max(maxLateMs, lateMs);
    try {
      const reading = await meter.read();
      taken += 1;
      costCpuMs += reading.cost?.cpuMs ?? 0;
      samples.push(reading);
      onSample?.(reading);
    } catch (error) {
      failed += 1;
      missed += 1;
      lastError = error instanceof Error ? error.message : String(error);
    }
    if (samples.length >= maxSamples) {
      samples = samples.filter((_, index) => index % 2 === 0);
      intervalMs *= 2;
    }
    // The next point of the grid that is still to come; those that passed meanwhile are missed.
    due += intervalMs;
    const passed = Math.ceil((nowMs() - due) / intervalMs);
    if (passed > 0) {
      missed += passed;
      due += passed * intervalMs;
    }
    if (report === undefined) schedule();
  };
  const schedule = () => {
    timer = setTimeout(
      () => {
        underWay = sample();
      },
      Math.max(0, Math.ceil(due - nowMs())),
    );
    // The load decides how long the process lives, not the sampler.
    timer.unref();
  };
  underWay = sample();

  const finish = async (): Promise<SamplerReport> => {
    clearTimeout(timer);
    await underWay;
    const endMs = nowMs();
    const elapsedMs = endMs - startMs;
    // A timer that never got its turn has left no trace but the time since.
    missed += Math.max(0, Math.floor((endMs - due) / intervalMs));
    const costCpuShare = elapsedMs > 0 ? costCpuMs / elapsedMs : 0;
    const starved = missed > (taken + missed) / 10;
    const warnings: string[] = [];
    if (failed > 0) warnings.push(`${failed} meter readings failed, the last with: ${lastError}`);
    if (starved) {
      warnings.push(
        `the sampler was starved: ${missed} of ${taken + missed} readings missed, the latest ` +
          `${maxLateMs.toFixed(0)} ms behind its time; peaks between readings may have gone unseen`,
      );
    }
    if (costCpuShare > MAX_COST_SHARE) {
      warnings.push(
        `the meter itself took ${(costCpuShare * 100).toFixed(1)} % of a CPU (more than 1 %)`,
      );
    }
    return {
      samples,
      intervalMs,
      taken,
      late,
      maxLateMs,
      missed,
      failed,
      costCpuMs,
      costCpuShare,
      starved,
      warnings,
    };
  };
  return {
    stop() {
      report ??= finish();
      return report;
    },
  };
}
