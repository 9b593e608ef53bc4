/**
 * Generator and target on different CPUs, so that neither takes the other's time: what helps the
 * target (proxy, tunnel, QEMU's I/O threads) stays with the target.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { ScratchpadError } from '../errors.ts';
import type { Meter } from '../meters/meter.ts';

const run = promisify(execFile);

export interface Pinning {
  /** null: not pinned. */
  generatorCpus: number[] | null;
  targetCpus: number[] | null;
  /** What a reader of the figures must know: one CPU for both, a shared core, no pinning here. */
  warning?: string;
}

export interface PinningRequest {
  /** The target's CPU ceiling: it gets as many CPUs, rounded up, where there are so many. */
  cpus: number;
  /**
   * How many the generator wants; one worker keeps one CPU busy. Default 1. It gets fewer where the
   * target's would not be left.
   */
  generatorCpus?: number;
}

/** What the host offers: passed in, so that the choice is tested without the host. */
export interface CpuTopology {
  platform: NodeJS.Platform;
  /** CPUs that this process may use, ascending. */
  allowed: number[];
  /** The physical core of each allowed CPU; CPUs with the same one share its execution units. */
  coreOf: Map<number, string>;
}

/** Chooses; pins nothing. */
export async function choosePinning(request: PinningRequest): Promise<Pinning> {
  return choose(request, readTopology());
}

/**
 * The target gets whole cores from the low end, the generator from the high end. The low CPUs take
 * most device interrupts, which are the target's share of the work.
 */
export function choose(request: PinningRequest, topology: CpuTopology): Pinning {
  const { platform, allowed } = topology;
  const free = (warning: string): Pinning => ({ generatorCpus: null, targetCpus: null, warning });
  if (platform !== 'linux') return free(`no CPU pinning on ${platform}: generator and target mix`);
  if (allowed.length < 2) {
    return free(
      'only one CPU: generator and target take turns on it, so latencies include the generator',
    );
  }
  const cores = new Map<string, number[]>();
  for (const cpu of allowed) {
    const core = topology.coreOf.get(cpu) ?? `cpu ${cpu}`;
    cores.set(core, [...(cores.get(core) ?? []), cpu]);
  }
  const byCore = [...cores.values()];
  const forGenerator = Math.max(1, request.generatorCpus ?? 1);
  const wanted = Math.max(1, Math.ceil(request.cpus));

  if (byCore.length < 2) {
    const most = Math.max(1, allowed.length - wanted);
    const generatorCpus = allowed.slice(-Math.min(forGenerator, most));
    const rest = allowed.filter((cpu) => !generatorCpus.includes(cpu));
    return {
      generatorCpus,
      targetCpus: rest.slice(0, wanted),
      warning: 'generator and target share one physical core: each slows the other',
    };
  }
  const ofGenerator = [byCore.at(-1)!];
  const left = byCore.slice(0, -1);
  // One thread per core for the generator; the core's other threads stay empty, but where there are
  // more workers than cores.
  while (ofGenerator.length < forGenerator && left.length > wanted)
    ofGenerator.unshift(left.pop()!);
  const generatorCpus = [
    ...ofGenerator.map((core) => core[0]!),
    ...ofGenerator.flatMap((core) => core.slice(1)),
  ]
    .slice(0, forGenerator)
    .sort((a, b) => a - b);
  // One thread of each core first, the siblings only when the cores have run out.
  const widest = Math.max(...left.map((core) => core.length));
  const spread = Array.from({ length: widest }, (_, thread) =>
    left.flatMap((core) => core[thread] ?? []),
  ).flat();
  const targetCpus = spread.slice(0, wanted).sort((a, b) => a - b);
  return {
    generatorCpus,
    targetCpus,
    ...(targetCpus.length < wanted
      ? {
          warning:
            `the target may use ${wanted} CPUs but ${targetCpus.length} ` +
            `${targetCpus.length === 1 ? 'is' : 'are'} left beside the generator`,
        }
      : {}),
  };
}

export function readTopology(): CpuTopology {
  const { platform } = process;
  const all = Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
  if (platform !== 'linux') return { platform, allowed: all, coreOf: new Map() };
  const allowed = allowedCpus() ?? all;
  const coreOf = new Map<number, string>();
  for (const cpu of allowed) {
    const siblings = readText(
      `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
    )?.trim();
    if (siblings) coreOf.set(cpu, siblings);
  }
  return { platform, allowed, coreOf };
}

/** CPUs that this process may run on now; undefined where the host does not say. */
export function allowedCpus(): number[] | undefined {
  const line = /^Cpus_allowed_list:\s*(.+)$/m.exec(readText('/proc/self/status') ?? '');
  return line ? parseCpuList(line[1]!) : undefined;
}

/** The kernel's list format: `0-3,8,10-11`. */
export function parseCpuList(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter(Boolean)
    .flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number) as [number, number?];
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
}

export function formatCpuList(cpus: readonly number[]): string {
  return cpus.join(',');
}

export interface Pinned {
  cpus: number[];
  /** Puts every thread back to where this process was before. */
  unpin(): Promise<void>;
}

/**
 * Binds this process, all its threads and all that it starts afterwards. Throws TARGET_UNAVAILABLE
 * where `taskset` (util-linux) is missing or refuses.
 */
export async function pinSelf(cpus: readonly number[]): Promise<Pinned> {
  const before = allowedCpus();
  await setAffinity(process.pid, cpus);
  return {
    cpus: [...cpus],
    async unpin() {
      if (before !== undefined) await setAffinity(process.pid, before);
    },
  };
}

/**
 * Binds what a running deployment consists of, helpers included: docker-proxy and shim are children of
 * daemons, so no ceiling of the target reaches them, and on the generator's CPU they would take
 * its time. Returns null, or why it could not be done (no taskset, processes of another user or
 * host): a warning, not an error. A process that ends meanwhile is passed over.
 */
export async function pinDeployment(
  deployment: { meter(): Promise<Meter> },
  cpus: readonly number[],
): Promise<string | null> {
  try {
    const meter = await deployment.meter();
    const pids = meter.pids?.() ?? [];
    await meter.close();
    if (pids.length === 0) return 'the target is not pinned: its processes are not on this host';
    for (const pid of pids) {
      await setAffinity(pid, cpus).catch((error) => {
        if (existsSync(`/proc/${pid}`)) throw error;
      });
    }
    return null;
  } catch (error) {
    return `the target or its helpers are not pinned: ${(error as Error).message}`;
  }
}

async function setAffinity(pid: number, cpus: readonly number[]): Promise<void> {
  try {
    await run('taskset', ['-a', '-c', '-p', formatCpuList(cpus), String(pid)], { timeout: 5_000 });
  } catch (cause) {
    throw new ScratchpadError(
      'TARGET_UNAVAILABLE',
      `Process ${pid} can't be bound to CPU ${formatCpuList(cpus)}`,
      { cause, hint: 'Install util-linux (taskset), or run without pinning.' },
    );
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
