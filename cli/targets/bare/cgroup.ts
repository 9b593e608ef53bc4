/**
 * The bare process's own cgroup, with the ceilings that a container gets: same period and quota,
 * same memory ceiling without swap, same pid limit.
 *
 *   v1   <mount of each controller>/scratchpad/<owner>-<id>
 *   v2   <parent>/scratchpad/<owner>-<id>
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_PIDS } from '../options.ts';
import type { Limits } from '../target.ts';
import { type CgroupLayout, cgroupLayout, type V1Controller } from './cgroup-layout.ts';

export interface Cgroup {
  version: 1 | 2;
  /** v1: by controller; v2: `unified`. Absolute. */
  folders: Partial<Record<V1Controller | 'unified', string>>;
  /** Is the process pinned by this cgroup, or has taskset to do it? */
  pinned: boolean;
  /** Ceilings that the host refused, with the reason. */
  warnings: string[];
}

/** As Docker's default, so that throttling falls into the same 100 ms slices for both. */
const CPU_PERIOD_US = 100_000;
const PARENT = 'scratchpad';

/**
 * Makes the cgroup, or says why there can be none: the deployment then runs without ceilings.
 * Idempotent.
 */
export function createCgroup(
  name: string,
  limits: Limits,
  cpuSet: number[] | null,
  layout: CgroupLayout = cgroupLayout(),
): Cgroup | { reason: string } {
  if (layout.version === null) return { reason: layout.reason };
  try {
    return layout.version === 1
      ? createV1(name, limits, cpuSet, layout.mounts)
      : createV2(name, limits, cpuSet, layout.parent);
  } catch (error) {
    removeEmpty(foldersOf(name, layout));
    return { reason: (error as Error).message };
  }
}

/** The files to which a process writes its pid to join. */
export function procsFiles(cgroup: Cgroup): string[] {
  return [...new Set(Object.values(cgroup.folders))].map((folder) => join(folder, 'cgroup.procs'));
}

/** Pids inside, of all hierarchies. */
export function cgroupPids(name: string, layout: CgroupLayout = cgroupLayout()): number[] {
  const pids = new Set<number>();
  for (const folder of foldersOf(name, layout)) {
    for (const line of textOrEmpty(join(folder, 'cgroup.procs')).split('\n')) {
      if (line !== '') pids.add(Number(line));
    }
  }
  return [...pids];
}

/** Names of our cgroups that exist and begin with `prefix`. */
export function listCgroups(prefix: string, layout: CgroupLayout = cgroupLayout()): string[] {
  const names = new Set<string>();
  for (const parent of parentsOf(layout)) {
    let entries: string[] = [];
    try {
      entries = readdirSync(parent);
    } catch {
      continue;
    }
    for (const entry of entries) if (entry.startsWith(prefix)) names.add(entry);
  }
  return [...names];
}

/**
 * Removes an emptied cgroup. The kernel says EBUSY until the last process has been reaped.
 * @throws Error after `timeoutMs`
 */
export async function removeCgroup(
  name: string,
  {
    timeoutMs = 3_000,
    layout = cgroupLayout(),
  }: { timeoutMs?: number; layout?: CgroupLayout } = {},
): Promise<void> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const busy = removeEmpty(foldersOf(name, layout));
    if (busy.length === 0) break;
    if (performance.now() > until) throw new Error(`cgroup ${busy[0]} is still in use`);
    await sleep(10);
  }
  removeEmpty(parentsOf(layout)); // stays while another deployment's is in it
}

/** How often the kernel killed for want of memory in here; null where it does not say. */
export function oomKills(cgroup: Cgroup): number | null {
  const text =
    cgroup.version === 1
      ? textOrEmpty(join(cgroup.folders.memory ?? '', 'memory.oom_control'))
      : textOrEmpty(join(cgroup.folders.unified ?? '', 'memory.events'));
  const match = /^oom_kill (\d+)$/m.exec(text);
  return match ? Number(match[1]) : null;
}

function createV1(
  name: string,
  limits: Limits,
  cpuSet: number[] | null,
  mounts: Partial<Record<V1Controller, string>>,
): Cgroup {
  const folders: Cgroup['folders'] = {};
  for (const [controller, mount] of Object.entries(mounts) as Array<[V1Controller, string]>) {
    const folder = join(mount, PARENT, name);
    mkdirSync(folder, { recursive: true });
    folders[controller] = folder;
  }
  const warnings: string[] = [];
  const set = (controller: V1Controller, file: string, value: string) => {
    const folder = folders[controller];
    if (folder === undefined)
      warnings.push(`no cgroup controller "${controller}": ${file} not set`);
    else tryWrite(join(folder, file), value, warnings);
  };
  set('cpu', 'cpu.cfs_period_us', String(CPU_PERIOD_US));
  set('cpu', 'cpu.cfs_quota_us', String(Math.round(limits.cpus * CPU_PERIOD_US)));
  set('memory', 'memory.limit_in_bytes', String(limits.memoryBytes));
  const { memory } = folders;
  if (memory !== undefined && existsSync(join(memory, 'memory.memsw.limit_in_bytes'))) {
    set('memory', 'memory.memsw.limit_in_bytes', String(limits.memoryBytes));
  }
  set('pids', 'pids.max', String(MAX_PIDS));
  return { version: 1, folders, pinned: pinV1(folders.cpuset, cpuSet, warnings), warnings };
}

/** A v1 cpuset takes no process before it has CPUs and memory nodes, and so has its parent. */
function pinV1(folder: string | undefined, cpuSet: number[] | null, warnings: string[]): boolean {
  if (folder === undefined) return false;
  const parent = dirname(folder);
  const top = dirname(parent);
  for (const [from, to] of [
    [top, parent],
    [parent, folder],
  ] as const) {
    for (const file of ['cpuset.mems', 'cpuset.cpus']) {
      if (textOrEmpty(join(to, file)).trim() === '') {
        writeFileSync(join(to, file), textOrEmpty(join(from, file)).trim());
      }
    }
  }
  if (cpuSet === null) return true;
  return tryWrite(join(folder, 'cpuset.cpus'), cpuSet.join(','), warnings);
}

function createV2(name: string, limits: Limits, cpuSet: number[] | null, parent: string): Cgroup {
  const ours = join(parent, PARENT);
  const folder = join(ours, name);
  mkdirSync(folder, { recursive: true });
  const warnings: string[] = [];
  for (const controller of ['cpu', 'memory', 'pids', 'io', 'cpuset']) {
    // one by one: a single unknown name makes the kernel refuse the whole line
    const enable = (to: string) => tryWrite(join(to, 'cgroup.subtree_control'), `+${controller}`);
    enable(parent);
    enable(ours);
  }
  const set = (file: string, value: string) => {
    if (!existsSync(join(folder, file))) {
      warnings.push(`${file} not set: its controller is not enabled below ${parent}`);
      return false;
    }
    return tryWrite(join(folder, file), value, warnings);
  };
  set('cpu.max', `${Math.round(limits.cpus * CPU_PERIOD_US)} ${CPU_PERIOD_US}`);
  set('memory.max', String(limits.memoryBytes));
  if (existsSync(join(folder, 'memory.swap.max'))) set('memory.swap.max', '0');
  set('pids.max', String(MAX_PIDS));
  const pinned = cpuSet !== null && set('cpuset.cpus', cpuSet.join(','));
  return { version: 2, folders: { unified: folder }, pinned, warnings };
}

function tryWrite(file: string, value: string, warnings?: string[]): boolean {
  try {
    writeFileSync(file, value);
    return true;
  } catch (error) {
    warnings?.push(`${file} not set to ${value}: ${(error as NodeJS.ErrnoException).code}`);
    return false;
  }
}

function parentsOf(layout: CgroupLayout): string[] {
  if (layout.version === null) return [];
  const tops = layout.version === 1 ? Object.values(layout.mounts) : [layout.parent];
  return [...new Set(tops)].map((top) => join(top, PARENT));
}

function foldersOf(name: string, layout: CgroupLayout): string[] {
  return parentsOf(layout).map((parent) => join(parent, name));
}

/** Returns those that could not be removed. */
function removeEmpty(folders: string[]): string[] {
  return folders.filter((folder) => {
    try {
      rmdirSync(folder);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  });
}

function textOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
