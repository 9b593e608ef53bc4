/** From readings at a window's edges to what the window cost. Pure: no `node:` imports. */
import {
  combine,
  isUnavailable,
  type Measured,
  measuredValue,
  unavailable,
} from '../record/measured.ts';
import { hostBalance } from './balance.ts';
import type { HostReading } from './host.ts';
import type { MeterReading } from './meter.ts';
import type { WindowKey } from './window-figures.ts';

export interface WindowInput {
  /** Before the load with its warm-up, expensive figures included. */
  before: Measured<MeterReading>;
  start: Measured<MeterReading>;
  end: Measured<MeterReading>;
  /** After the closing sync, expensive figures included; unavailable: `end` stands in for it. */
  settled: Measured<MeterReading>;
  samples: readonly MeterReading[];
  host: { start: HostReading; end: HostReading; settled: HostReading } | null;
  /** Why the target's CPU time may not be this host's; absent: it is. */
  elsewhere?: string | undefined;
  answered: number;
  /** Bytes of the posts' titles and texts that were sent and accepted; null: not counted. */
  postBytes: number | null;
  /** The generator's own count of HTTP bytes; null: not known. */
  payload: { receivedByTarget: number; sentByTarget: number } | null;
  sampler: { taken: number; missed: number; costCpuMs: number; costCpuShare: number };
}

type Figure = (reading: MeterReading) => Measured<number> | undefined;

/** Every key of WINDOW_FIGURES; what could not be had is unavailable with the reason. */
export function windowFigures(input: WindowInput): Record<WindowKey, Measured<number>> {
  const { start, end, samples, answered, host } = input;
  const settled = isUnavailable(input.settled) ? end : input.settled;
  const difference = (of: Figure, to = end) => over(start, to, of, samples);
  const mean = (of: Figure) => meanOf(samples, of);
  const peak = (of: Figure) => peakOf(samples, of);
  const windowMs = both(start, end, (a, b) => b.atMs - a.atMs);

  const cpuMs = difference((r) => r.cpu.totalMs);
  const written = difference((r) => r.disk.writtenBytes, settled);
  const harnessCpuMs = host
    ? host.end.harnessCpuMs - host.start.harnessCpuMs
    : unavailable('the host was not read');
  const daemonsCpuMs = difference((r) => sumOf(r.daemons ?? [], (each) => each.cpuMs));
  const device = (of: 'readBytes' | 'writtenBytes'): Measured<number> => {
    if (host === null) return unavailable('the host was not read');
    const { device: from } = host.start;
    const { device: to } = host.settled;
    if (isUnavailable(from)) return from;
    return isUnavailable(to) ? to : to[of] - from[of];
  };
  const here =
    input.elsewhere === undefined ? cpuMs : unavailable(`no balance: ${input.elsewhere}`);
  const attributedMs = combine([here, harnessCpuMs, daemonsCpuMs], (a, b, c) => a + b + c);
  const balance = hostBalance({ host, start, end, attributedMs });
  const { payload, sampler } = input;
  const noPayload = unavailable('no load generator counted the payload');

  return {
    windowMs,
    answered,
    cpuMs,
    cpuUserMs: difference((r) => r.cpu.userMs),
    cpuSystemMs: difference((r) => r.cpu.systemMs),
    cpuMsPer1000Requests:
      answered === 0
        ? unavailable('no request was answered')
        : combine([cpuMs], (ms) => (ms / answered) * 1000),
    cpuShare: combine([cpuMs, windowMs], (ms, wall) => ms / wall),
    cpuPeakShare: peakCpuShare(samples),
    throttledMs: difference((r) => r.cpu.throttledMs),
    helpersCpuMs: difference((r) => sumOf(r.helpers, (each) => each.cpuMs)),

    workingSetMeanBytes: mean((r) => r.memory.workingSetBytes),
    workingSetPeakBytes: peak((r) => r.memory.workingSetBytes),
    unreclaimableMeanBytes: mean((r) => r.memory.unreclaimableBytes),
    unreclaimablePeakBytes: peak((r) => r.memory.unreclaimableBytes),
    pssBytes: valueAt(settled, (r) => r.memory.pssBytes),
    peakSinceStartBytes: valueAt(end, (r) => r.memory.peakBytes),
    guestUsedMeanBytes: mean((r) => r.memory.guestUsedBytes),
    guestUsedPeakBytes: peak((r) => r.memory.guestUsedBytes),
    guestOverheadMeanBytes: mean(overhead),
    guestUsedAfterBytes: valueAt(settled, (r) => r.memory.guestUsedBytes),
    guestOverheadAfterBytes: valueAt(settled, overhead),
    helpersMemoryBytes: mean((r) => r.memory.helperBytes ?? 0),

    diskReadBytes: difference((r) => r.disk.readBytes, settled),
    diskWrittenBytes: written,
    diskReadOps: difference((r) => r.disk.readOps, settled),
    diskWriteOps: difference((r) => r.disk.writeOps, settled),
    diskWrittenBytesPerPostByte:
      input.postBytes === null
        ? unavailable('the load did not count the bytes of its posts')
        : input.postBytes === 0
          ? unavailable('the load posted nothing')
          : combine([written], (bytes) => bytes / input.postBytes!),
    deviceReadBytes: device('readBytes'),
    deviceWrittenBytes: device('writtenBytes'),

    networkReceivedBytes: difference((r) => r.network.receivedBytes),
    networkSentBytes: difference((r) => r.network.sentBytes),
    networkLoadReceivedBytes: over(input.before, settled, (r) => r.network.receivedBytes, []),
    networkLoadSentBytes: over(input.before, settled, (r) => r.network.sentBytes, []),
    networkPayloadReceivedBytes: payload?.receivedByTarget ?? noPayload,
    networkPayloadSentBytes: payload?.sentByTarget ?? noPayload,

    ...balance,
    hostAttributedMs: attributedMs,
    harnessCpuMs,
    daemonsCpuMs,

    samplesTaken: sampler.taken,
    samplesMissed: sampler.missed,
    meterCpuMs: sampler.costCpuMs,
    meterCpuShare: sampler.costCpuShare,
  };
}

/** What the host is charged beyond what the guest uses. */
function overhead({ memory }: MeterReading): Measured<number> {
  return combine(
    [memory.workingSetBytes, memory.guestUsedBytes],
    (hostSide, guest) => hostSide - guest,
  );
}

function both(
  start: Measured<MeterReading>,
  end: Measured<MeterReading>,
  of: (a: MeterReading, b: MeterReading) => number,
): Measured<number> {
  if (isUnavailable(start)) return start;
  return isUnavailable(end) ? end : of(start, end);
}

function valueAt(reading: Measured<MeterReading>, of: Figure): Measured<number> {
  return isUnavailable(reading) ? reading : (of(reading) ?? unavailable('not read'));
}

/**
 * A counter's rise from `start` to `to`. Where the target did not live to the end, what it had
 * used when it was last seen is told in the reason and not passed off as the window's.
 */
function over(
  start: Measured<MeterReading>,
  to: Measured<MeterReading>,
  of: Figure,
  samples: readonly MeterReading[],
): Measured<number> {
  const from = valueAt(start, of);
  if (isUnavailable(from)) return from;
  const until = valueAt(to, of);
  if (!isUnavailable(until)) {
    // Counters only rise: one that fell began anew, and what it had counted before is not known.
    return until >= from
      ? until - from
      : unavailable(`the counter fell from ${round(from)} to ${round(until)}: it began anew`);
  }
  const last = samples.findLast((sample) => !isUnavailable(of(sample) ?? until));
  if (last === undefined || isUnavailable(start)) return until;
  const seen = (of(last) as number) - from;
  const afterS = ((last.atMs - start.atMs) / 1000).toFixed(1);
  return unavailable(`${until.unavailable}; last seen ${afterS} s into the window: ${round(seen)}`);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function valuesOf(samples: readonly MeterReading[], of: Figure): Measured<number[]> {
  const values: number[] = [];
  let reason = 'no sample was taken in the window';
  for (const sample of samples) {
    const value = of(sample);
    if (value === undefined) continue;
    if (isUnavailable(value)) reason = value.unavailable;
    else values.push(value);
  }
  return values.length === 0 ? unavailable(reason) : values;
}

function meanOf(samples: readonly MeterReading[], of: Figure): Measured<number> {
  const values = valuesOf(samples, of);
  if (isUnavailable(values)) return values;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function peakOf(samples: readonly MeterReading[], of: Figure): Measured<number> {
  const values = valuesOf(samples, of);
  return isUnavailable(values) ? values : values.reduce((a, b) => Math.max(a, b));
}

function peakCpuShare(samples: readonly MeterReading[]): Measured<number> {
  let peak: number | undefined;
  let before: { atMs: number; ms: number } | undefined;
  for (const sample of samples) {
    const ms = measuredValue(sample.cpu.totalMs);
    if (ms === undefined) continue;
    if (before !== undefined && sample.atMs > before.atMs)
      peak = Math.max(peak ?? 0, (ms - before.ms) / (sample.atMs - before.atMs));
    before = { atMs: sample.atMs, ms };
  }
  return peak ?? unavailable('fewer than two samples with CPU in the window');
}

function sumOf<T>(items: readonly T[], of: (item: T) => Measured<number>): Measured<number> {
  return combine(items.map(of), (...values) => values.reduce((sum, value) => sum + value, 0));
}
