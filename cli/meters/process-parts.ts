/**
 * What the processes of a deployment say of themselves in /proc: the only source where there is no
 * cgroup, and the source of PSS and of written bytes on cgroup v1.
 */
import { type Measured, unavailable } from '../record/measured.ts';
import {
  add,
  type CpuFigures,
  type DiskFigures,
  type MemoryFigures,
  type Part,
  pick,
  type ReadOptions,
  RisingSum,
} from './parts.ts';
import { ProcessGroup, type ProcessSet } from './processes.ts';
import { TICK_MS } from './procfs.ts';

/** User and system time of one process, each cut to whole ticks. */
export const STEPS_MS = 2 * TICK_MS;

export const ENDED = 'all of its processes have ended';

/** Sum of PSS; read only where it may disturb, since smaps_rollup walks the page tables. */
export function pssOf(group: ProcessGroup, { expensive }: ReadOptions): Measured<number> {
  if (!expensive) return unavailable('not read under load: smaps_rollup stops the process');
  const alive = group.alive();
  if (alive.length === 0) return unavailable(ENDED);
  let sum: Measured<number> = 0;
  for (const { files } of alive) sum = add(sum, files.pssBytes());
  return sum;
}

/** Resident memory of a process tree. Kernel memory is not in it: /proc knows none by process. */
export function processMemory(set: ProcessSet): Part<MemoryFigures> {
  const group = new ProcessGroup(set);
  return {
    source: `${set.source}: sum of RSS, pages that its processes share counted in each; no kernel memory`,
    read(options) {
      const each = group.alive().flatMap(({ files }) => files.memory() ?? []);
      if (each.length === 0) {
        const why = unavailable(ENDED);
        return { workingSetBytes: why, unreclaimableBytes: why, pssBytes: why, peakBytes: why };
      }
      const sum = (of: (memory: (typeof each)[number]) => number) =>
        each.reduce((total, memory) => total + of(memory), 0);
      return {
        workingSetBytes: sum((memory) => memory.rssBytes),
        unreclaimableBytes: sum((memory) => memory.anonymousBytes + memory.sharedMemoryBytes),
        pssBytes: pssOf(group, options),
        peakBytes:
          each.length === 1
            ? each[0]!.peakRssBytes
            : unavailable('the peaks of several processes do not fall together: see the samples'),
      };
    },
    close: () => group.close(),
  };
}

/** CPU of the living and of the descendants that they have waited for. Resolution: 10 ms each. */
export function processCpu(set: ProcessSet): Part<CpuFigures> {
  const group = new ProcessGroup(set);
  const user = new RisingSum();
  const system = new RisingSum();
  return {
    source: `${set.source}: /proc/PID/stat, 10 ms steps`,
    read() {
      const alive = group.alive();
      if (alive.length === 0) {
        const why = unavailable(ENDED);
        return { totalMs: why, userMs: why, systemMs: why, throttledMs: why };
      }
      const userMs = user.next(
        alive.reduce((ms, { stat }) => ms + stat.userMs + stat.childUserMs, 0),
      );
      const systemMs = system.next(
        alive.reduce((ms, { stat }) => ms + stat.systemMs + stat.childSystemMs, 0),
      );
      return {
        totalMs: userMs + systemMs,
        userMs,
        systemMs,
        stepMs: alive.length * STEPS_MS,
        throttledMs: unavailable('no cgroup, so nothing throttles it'),
      };
    },
    close: () => group.close(),
  };
}

/**
 * /proc/PID/io. Written is what was dirtied, less what was truncated before it reached the device,
 * plus direct writes: it is charged to the writer at once, whoever writes it back and whenever.
 */
export function processDisk(set: ProcessSet): Part<DiskFigures> {
  const group = new ProcessGroup(set);
  const read = new RisingSum();
  const written = new RisingSum();
  const noOps = unavailable('/proc/PID/io counts system calls, not operations of the device');
  return {
    source: `${set.source}: /proc/PID/io, written = dirtied less cancelled`,
    read() {
      const each = group.alive().map(({ files }) => files.io());
      if (each.length === 0) {
        const why = unavailable(ENDED);
        return { readBytes: why, writtenBytes: why, readOps: why, writeOps: why };
      }
      const sum = (of: (io: { readBytes: number; writtenBytes: number }) => number) =>
        each.reduce<Measured<number>>((total, io) => add(total, pick(io, of)), 0);
      return {
        readBytes: pick(
          sum((io) => io.readBytes),
          (value) => read.next(value),
        ),
        writtenBytes: pick(
          sum((io) => io.writtenBytes),
          (value) => written.next(value),
        ),
        readOps: noOps,
        writeOps: noOps,
      };
    },
    close: () => group.close(),
  };
}
