/** Parsers of cgroup v2 files, pure. Format: Linux Documentation/admin-guide/cgroup-v2.rst. */
import { type CgroupCpu, type CgroupMemory, parseCount } from './cgroup-v1.ts';
import { type DeviceCounters, parseKeyed } from './procfs.ts';

/** memory.current and memory.stat. */
export function parseMemoryV2(current: string, stat: string): CgroupMemory {
  const keys = parseKeyed(stat);
  const of = (name: string) => keys.get(name) ?? 0;
  // `kernel` came with Linux 5.18; before it, its parts as far as they were listed.
  const kernel =
    keys.get('kernel') ??
    of('kernel_stack') + of('pagetables') + of('percpu') + of('sock') + of('slab');
  return {
    workingSetBytes: Math.max(0, parseCount(current) - of('inactive_file')),
    unreclaimableBytes: of('anon') + of('shmem') + kernel,
  };
}

/** cpu.stat; `throttledMs` is undefined where the cpu controller is not enabled for the group. */
export function parseCpuV2(stat: string): CgroupCpu & { throttledMs: number | undefined } {
  const keys = parseKeyed(stat);
  const usage = keys.get('usage_usec');
  if (usage === undefined) throw new Error('cpu.stat has no usage_usec');
  const throttled = keys.get('throttled_usec');
  return {
    totalMs: usage / 1000,
    userMs: (keys.get('user_usec') ?? 0) / 1000,
    systemMs: (keys.get('system_usec') ?? 0) / 1000,
    throttledMs: throttled === undefined ? undefined : throttled / 1000,
  };
}

/**
 * io.stat, summed over devices. A bio on a stacked device (LVM, dm-crypt, md) is counted there and
 * again on the disk below: `isBelowAnother(device, all)` says which to leave out.
 */
export function parseIoV2(
  stat: string,
  isBelowAnother: (device: string, all: readonly string[]) => boolean = () => false,
): DeviceCounters {
  const byDevice = new Map<string, Map<string, number>>();
  for (const line of stat.split('\n')) {
    const [device, ...pairs] = line.trim().split(/\s+/);
    if (!device || !/^\d+:\d+$/.test(device)) continue;
    const values = new Map<string, number>();
    for (const pair of pairs) {
      const [key, value] = pair.split('=');
      if (key && value !== undefined && Number.isFinite(Number(value)))
        values.set(key, Number(value));
    }
    byDevice.set(device, values);
  }
  const all = [...byDevice.keys()];
  const sum: DeviceCounters = { readBytes: 0, writtenBytes: 0, readOps: 0, writeOps: 0 };
  for (const [device, values] of byDevice) {
    if (isBelowAnother(device, all)) continue;
    sum.readBytes += values.get('rbytes') ?? 0;
    sum.writtenBytes += values.get('wbytes') ?? 0;
    sum.readOps += values.get('rios') ?? 0;
    sum.writeOps += values.get('wios') ?? 0;
  }
  return sum;
}
