import type { HostReading } from '../../cli/meters/host.ts';
import type { MeterReading } from '../../cli/meters/meter.ts';

/** A reading in which every figure is 0 but those named. */
export function readingOf(
  figures: {
    [Group in 'memory' | 'cpu' | 'disk' | 'network']?: Partial<MeterReading[Group]>;
  } & Partial<Omit<MeterReading, 'memory' | 'cpu' | 'disk' | 'network'>> = {},
): MeterReading {
  const { memory, cpu, disk, network, ...rest } = figures;
  return {
    atMs: 0,
    memory: {
      workingSetBytes: 0,
      unreclaimableBytes: 0,
      pssBytes: 0,
      peakBytes: 0,
      guestUsedBytes: { unavailable: 'no guest' },
      helperBytes: 0,
      ...memory,
    },
    cpu: { totalMs: 0, userMs: 0, systemMs: 0, throttledMs: 0, ...cpu },
    disk: { readBytes: 0, writtenBytes: 0, readOps: 0, writeOps: 0, ...disk },
    network: { receivedBytes: 0, sentBytes: 0, ...network },
    helpers: [],
    daemons: [],
    sources: {},
    ...rest,
  };
}

export function hostReadingOf(figures: Partial<HostReading> = {}): HostReading {
  return {
    atMs: 0,
    cpu: { idleMs: 0, stealMs: 0, cpus: 2 },
    harnessCpuMs: 0,
    device: { readBytes: 0, writtenBytes: 0, readOps: 0, writeOps: 0 },
    ...figures,
  };
}
