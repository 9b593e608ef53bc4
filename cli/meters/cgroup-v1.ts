/**
 * Parsers of cgroup v1 files, pure. Format: Linux Documentation/admin-guide/cgroup-v1. Each controller
 * may be mounted apart and a process may be in a different group of each.
 */
import { parseKeyed, TICK_MS } from './procfs.ts';

export interface CgroupMemory {
  workingSetBytes: number;
  unreclaimableBytes: number;
}

/**
 * memory.usage_in_bytes, memory.stat, memory.kmem.usage_in_bytes. The `total_` keys hold the
 * descendants too; `usage_in_bytes` always does. Where the kernel was built without kmem
 * accounting the file is missing and its part counts as none.
 */
export function parseMemoryV1(usage: string, stat: string, kmem: string | undefined): CgroupMemory {
  const keys = parseKeyed(stat);
  const total = (name: string) => keys.get(`total_${name}`) ?? keys.get(name) ?? 0;
  return {
    workingSetBytes: Math.max(0, parseCount(usage) - total('inactive_file')),
    // On v1 `total_rss` is anonymous memory alone, whatever its name says.
    unreclaimableBytes: total('rss') + total('shmem') + (kmem === undefined ? 0 : parseCount(kmem)),
  };
}

export interface CgroupCpu {
  totalMs: number;
  userMs: number;
  systemMs: number;
}

/**
 * cpuacct.usage (ns) and cpuacct.stat (ticks). Not cpuacct.usage_user and _sys: those are charged
 * by whole ticks and do not add up to cpuacct.usage; cpuacct.stat is scaled to it by the kernel,
 * as v2's cpu.stat is.
 */
export function parseCpuV1(usage: string, stat: string): CgroupCpu {
  const keys = parseKeyed(stat);
  return {
    totalMs: parseCount(usage) / 1e6,
    userMs: (keys.get('user') ?? 0) * TICK_MS,
    systemMs: (keys.get('system') ?? 0) * TICK_MS,
  };
}

/** cpu.stat of the cpu controller: time that runnable threads were kept waiting by the quota. */
export function parseThrottledV1(stat: string): number {
  const throttledNs = parseKeyed(stat).get('throttled_time');
  if (throttledNs === undefined) throw new Error('cpu.stat has no throttled_time');
  return throttledNs / 1e6;
}

export interface ServicedOps {
  readOps: number;
  writeOps: number;
}

/**
 * blkio.throttle.io_serviced_recursive. undefined where it holds no device: kernels since 6.10
 * count only once a throttle rule is set, so an empty file is "not counted" and not "none".
 */
export function parseServicedV1(text: string): ServicedOps | undefined {
  const ops: ServicedOps = { readOps: 0, writeOps: 0 };
  let devices = 0;
  for (const line of text.split('\n')) {
    const match = /^\d+:\d+ (Read|Write) (\d+)$/.exec(line);
    if (!match) continue;
    devices += 1;
    if (match[1] === 'Read') ops.readOps += Number(match[2]);
    else ops.writeOps += Number(match[2]);
  }
  return devices === 0 ? undefined : ops;
}

/** A file with one number. */
export function parseCount(text: string): number {
  const value = Number(text.trim());
  if (text.trim() === '' || !Number.isFinite(value)) throw new Error(`not a number: ${text}`);
  return value;
}
