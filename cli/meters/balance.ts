/**
 * The host's closing balance over a window: how long its CPUs were busy, how much of that someone
 * was charged with, and the rest. Pure: no `node:` imports.
 *
 * Busy is what is left of the wall time of all CPUs when idle and stolen time are taken away. The
 * kernel stamps where idling begins and ends (CONFIG_NO_HZ_COMMON), whereas it only samples busy
 * time at its ticks: work in small slices can fall between those, so that less would be busy than
 * was charged. docs/decisions/meters-balance.md has the measurement.
 */
import { combine, isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { HostReading } from './host.ts';
import type { MeterReading } from './meter.ts';
import { TICK_MS } from './procfs.ts';

export interface BalanceInput {
  host: { start: HostReading; end: HostReading } | null;
  /** The target at the same edges. */
  start: Measured<MeterReading>;
  end: Measured<MeterReading>;
  /** Sum of what the target, the harness and the daemons were charged with in the window. */
  attributedMs: Measured<number>;
}

export interface Balance {
  hostBusyMs: Measured<number>;
  /** busy − attributed; 0 where it is below 0 by no more than the uncertainty. */
  hostUnattributedMs: Measured<number>;
  /** The balance is right to within ± this. */
  hostBalanceUncertaintyMs: Measured<number>;
  stealMs: Measured<number>;
  /** Of all CPU time of the host, 0 to 1. */
  stealShare: Measured<number>;
}

/** Idle, waiting for a device, stolen: each cut to whole ticks. */
const HOST_STEPS = 3;

export function hostBalance({ host, start, end, attributedMs }: BalanceInput): Balance {
  const cpu = hostCpu(host);
  const hostBusyMs = map(cpu, ({ allMs, idleMs, stealMs }) => allMs - idleMs - stealMs);
  const hostBalanceUncertaintyMs = uncertainty(host, cpu, start, end);
  return {
    hostBusyMs,
    hostUnattributedMs: combine(
      [hostBusyMs, attributedMs, hostBalanceUncertaintyMs],
      (busy, attributed, within) => {
        const rest = busy - attributed;
        return rest < 0 && rest >= -within ? 0 : rest;
      },
    ),
    hostBalanceUncertaintyMs,
    stealMs: map(cpu, ({ stealMs }) => stealMs),
    stealShare: map(cpu, ({ stealMs, allMs }) => (allMs <= 0 ? 0 : stealMs / allMs)),
  };
}

interface HostWindow {
  /** Wall time of all CPUs together. */
  allMs: number;
  idleMs: number;
  stealMs: number;
  cpus: number;
}

function hostCpu(host: BalanceInput['host']): Measured<HostWindow> {
  if (host === null) return unavailable('the host was not read');
  const { cpu: from, atMs: fromMs } = host.start;
  const { cpu: to, atMs: toMs } = host.end;
  if (isUnavailable(from)) return from;
  if (isUnavailable(to)) return to;
  if (from.cpus !== to.cpus)
    return unavailable(`the host had ${from.cpus} CPUs, then ${to.cpus}: no balance of both`);
  return {
    allMs: (toMs - fromMs) * to.cpus,
    idleMs: to.idleMs - from.idleMs,
    stealMs: to.stealMs - from.stealMs,
    cpus: to.cpus,
  };
}

/**
 * The worst case: every counter that is kept in ticks has just missed one, and all CPUs worked
 * between the reading of the host and that of the target. It is a bound, not an expectation.
 */
function uncertainty(
  host: BalanceInput['host'],
  cpu: Measured<HostWindow>,
  start: Measured<MeterReading>,
  end: Measured<MeterReading>,
): Measured<number> {
  if (isUnavailable(cpu)) return cpu;
  if (isUnavailable(start)) return start;
  if (isUnavailable(end)) return end;
  const apart = (reading: MeterReading, at: HostReading) =>
    Math.abs(reading.atMs - at.atMs) + (reading.cost?.wallMs ?? 0);
  const apartMs = apart(start, host!.start) + apart(end, host!.end);
  // User and system time of a daemon are one counter each; the target's own are in the reading.
  const daemonSteps = 2 * (end.daemons ?? []).length;
  const stepsMs = (HOST_STEPS + daemonSteps) * TICK_MS + (end.cpuStepMs ?? 0);
  return stepsMs + apartMs * cpu.cpus;
}

function map<T>(value: Measured<T>, of: (value: T) => number): Measured<number> {
  return isUnavailable(value) ? value : of(value as T);
}
