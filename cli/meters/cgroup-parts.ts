/** The files of one cgroup, v1 or v2, as the parts of a meter: same figures, same names. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Measured, unavailable } from '../record/measured.ts';
import {
  type CgroupCpu,
  type CgroupMemory,
  parseCount,
  parseCpuV1,
  parseMemoryV1,
  parseServicedV1,
  parseThrottledV1,
} from './cgroup-v1.ts';
import { parseCpuV2, parseIoV2, parseMemoryV2 } from './cgroup-v2.ts';
import { CounterFile, readOnce, whyUnreadable } from './counter-file.ts';
import {
  type CpuFigures,
  type DiskFigures,
  fromFile,
  type MemoryFigures,
  NO_DISK,
  type Part,
  pick,
} from './parts.ts';
import { processDisk, pssOf } from './process-parts.ts';
import { cgroupProcesses, ProcessGroup, type ProcessSet, processTrees } from './processes.ts';
import type { CgroupV1Folders } from './spec.ts';

export interface CgroupParts {
  memory: Part<MemoryFigures>;
  cpu: Part<CpuFigures>;
  disk: Part<DiskFigures>;
  /** Whoever is in the group now. */
  processes?: ProcessSet | undefined;
}

/** Parts over one of the two; `roots`: the process trees inside, default whoever is in the group. */
export function cgroupParts(
  groups: { v1?: CgroupV1Folders | undefined; v2?: { folder: string } | undefined },
  roots: readonly number[] | undefined,
): CgroupParts {
  const processes = (folder: string): (() => ProcessSet) =>
    roots === undefined ? () => cgroupProcesses(folder) : () => processTrees(roots);
  if (groups.v2 !== undefined) return partsV2(groups.v2.folder, processes(groups.v2.folder));
  const v1 = groups.v1 ?? {};
  const any = v1.memory ?? v1.cpuacct ?? v1.cpu ?? v1.blkio;
  return partsV1(v1, any === undefined && roots === undefined ? undefined : processes(any ?? ''));
}

function partsV1(v1: CgroupV1Folders, processes: (() => ProcessSet) | undefined): CgroupParts {
  return {
    memory: memoryV1(v1.memory, processes),
    cpu: cpuV1(v1.cpuacct, v1.cpu),
    disk: diskV1(v1.blkio, processes),
    processes: processes?.(),
  };
}

function memoryV1(
  folder: string | undefined,
  processes: (() => ProcessSet) | undefined,
): Part<MemoryFigures> {
  if (folder === undefined) return noMemory('no cgroup v1 memory controller');
  const usage = new CounterFile(join(folder, 'memory.usage_in_bytes'));
  const stat = new CounterFile(join(folder, 'memory.stat'));
  const peak = new CounterFile(join(folder, 'memory.max_usage_in_bytes'));
  const kmemPath = join(folder, 'memory.kmem.usage_in_bytes');
  const kmem = existsSync(kmemPath) ? new CounterFile(kmemPath) : undefined;
  const group = processes === undefined ? undefined : new ProcessGroup(processes());
  return {
    source: `cgroup v1 ${folder}${kmem === undefined ? ' (kernel memory not accounted)' : ''}`,
    read(options) {
      const memory = attempt(folder, () => parseMemoryV1(usage.read(), stat.read(), kmem?.read()));
      return {
        ...memoryFigures(memory),
        pssBytes: group ? pssOf(group, options) : unavailable('processes unknown'),
        peakBytes: fromFile(peak, parseCount),
      };
    },
    close: () => closeAll([usage, stat, peak, kmem, group]),
  };
}

function cpuV1(cpuacct: string | undefined, cpu: string | undefined): Part<CpuFigures> {
  const usage = cpuacct === undefined ? undefined : new CounterFile(join(cpuacct, 'cpuacct.usage'));
  const stat = cpuacct === undefined ? undefined : new CounterFile(join(cpuacct, 'cpuacct.stat'));
  const throttled = cpu === undefined ? undefined : new CounterFile(join(cpu, 'cpu.stat'));
  return {
    source: `cgroup v1 ${[cpuacct, cpu].filter(Boolean).join(' and ')}; user and system in 10 ms steps`,
    read() {
      const figures: Measured<CgroupCpu> =
        usage === undefined || stat === undefined
          ? unavailable('no cgroup v1 cpuacct controller')
          : attempt(usage.path, () => parseCpuV1(usage.read(), stat.read()));
      return {
        ...cpuFigures(figures),
        throttledMs:
          throttled === undefined
            ? unavailable('no cgroup v1 cpu controller')
            : fromFile(throttled, parseThrottledV1),
      };
    },
    close: () => closeAll([usage, stat, throttled]),
  };
}

/**
 * v1 charges write-back of buffered writes to the root group, so bytes come from the writers' own
 * /proc/PID/io, and blkio serves for the read operations alone, where the kernel counts them.
 */
function diskV1(
  blkio: string | undefined,
  processes: (() => ProcessSet) | undefined,
): Part<DiskFigures> {
  if (processes === undefined) return NO_DISK('cgroup v1 without processes to ask');
  const io = processDisk(processes());
  const serviced =
    blkio === undefined
      ? undefined
      : new CounterFile(join(blkio, 'blkio.throttle.io_serviced_recursive'));
  return {
    source: io.source,
    async read(options) {
      const figures = await io.read(options);
      const ops =
        serviced === undefined
          ? unavailable('no cgroup v1 blkio controller')
          : fromFile(serviced, parseServicedV1);
      return {
        ...figures,
        readOps:
          ops === undefined
            ? unavailable('this kernel counts blkio only under a throttle rule')
            : pick(ops, (each) => each?.readOps, 'not counted'),
        writeOps: unavailable('cgroup v1 charges write-back to the root group'),
      };
    },
    close: () => closeAll([io, serviced]),
  };
}

function partsV2(folder: string, processes: () => ProcessSet): CgroupParts {
  const file = (name: string) => new CounterFile(join(folder, name));
  const current = file('memory.current');
  const memoryStat = file('memory.stat');
  const cpuStat = file('cpu.stat');
  // memory.peak came with Linux 5.19.
  const peak = existsSync(join(folder, 'memory.peak')) ? file('memory.peak') : undefined;
  const group = new ProcessGroup(processes());
  const source = `cgroup v2 ${folder}`;
  return {
    memory: {
      source,
      read(options) {
        return {
          ...memoryFigures(attempt(folder, () => parseMemoryV2(current.read(), memoryStat.read()))),
          pssBytes: pssOf(group, options),
          peakBytes: peak
            ? fromFile(peak, parseCount)
            : unavailable('no memory.peak before Linux 5.19'),
        };
      },
      close: () => closeAll([current, memoryStat, peak, group]),
    },
    cpu: {
      source,
      read() {
        const figures = attempt(folder, () => parseCpuV2(cpuStat.read()));
        return {
          ...cpuFigures(figures),
          throttledMs: pick(figures, (cpu) => cpu.throttledMs, 'cpu controller not enabled here'),
        };
      },
      close: () => cpuStat.close(),
    },
    disk: existsSync(join(folder, 'io.stat'))
      ? ioV2(source, file('io.stat'))
      : // systemd enables the io controller only where it is asked for.
        processDisk(processes()),
    processes: processes(),
  };
}

function ioV2(source: string, ioStat: CounterFile): Part<DiskFigures> {
  return {
    source: `${source}: io.stat, write-back charged to the group when it happens`,
    read() {
      const io = fromFile(ioStat, (text) => parseIoV2(text, isBelowAnother));
      return {
        readBytes: pick(io, (each) => each.readBytes),
        writtenBytes: pick(io, (each) => each.writtenBytes),
        readOps: pick(io, (each) => each.readOps),
        writeOps: pick(io, (each) => each.writeOps),
      };
    },
    close: () => ioStat.close(),
  };
}

/** Is one of `all` built on `device` (LVM, dm-crypt, md)? sysfs lists the holders by name. */
function isBelowAnother(device: string, all: readonly string[]): boolean {
  let holders = HOLDERS.get(device);
  if (holders === undefined) {
    const folder = `/sys/dev/block/${device}/holders`;
    holders = [];
    if (existsSync(folder)) {
      for (const name of readdirSync(folder)) {
        const number = readOnce(`${folder}/${name}/dev`)?.trim();
        if (number !== undefined) holders.push(number);
      }
    }
    HOLDERS.set(device, holders);
  }
  return holders.some((holder) => all.includes(holder));
}

/** Devices are not restacked during a measurement. */
const HOLDERS = new Map<string, string[]>();

export function noMemory(reason: string): Part<MemoryFigures> {
  const why = unavailable(reason);
  return {
    source: `none: ${reason}`,
    read: () => ({ workingSetBytes: why, unreclaimableBytes: why, pssBytes: why, peakBytes: why }),
    close: () => {},
  };
}

function attempt<T>(path: string, read: () => T): Measured<T> {
  try {
    return read();
  } catch (error) {
    return unavailable(whyUnreadable(error, path));
  }
}

function memoryFigures(memory: Measured<CgroupMemory>) {
  return {
    workingSetBytes: pick(memory, (each) => each.workingSetBytes),
    unreclaimableBytes: pick(memory, (each) => each.unreclaimableBytes),
  };
}

function cpuFigures(cpu: Measured<CgroupCpu>) {
  return {
    totalMs: pick(cpu, (each) => each.totalMs),
    userMs: pick(cpu, (each) => each.userMs),
    systemMs: pick(cpu, (each) => each.systemMs),
  };
}

function closeAll(closable: Array<{ close(): void } | undefined>): void {
  for (const each of closable) each?.close();
}
