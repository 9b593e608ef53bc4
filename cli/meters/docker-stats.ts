/**
 * The engine's stats API as the parts of a meter, for engines whose cgroups are out of reach.
 * Format: Docker Engine API, ContainerStats; `memory_stats.stats` is the container's memory.stat,
 * so the figures are made from it exactly as they are from the file.
 */
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { EngineApi } from './engine-api.ts';
import type { CpuFigures, DiskFigures, MemoryFigures, NetworkFigures, Part } from './parts.ts';

/** What is used of ContainerStats; the engine leaves out what a stopped container has not. */
export interface ContainerStats {
  cpu_stats?: {
    cpu_usage?: { total_usage?: number; usage_in_usermode?: number; usage_in_kernelmode?: number };
    throttling_data?: { throttled_time?: number };
  };
  memory_stats?: { usage?: number; max_usage?: number; stats?: Record<string, number> };
  blkio_stats?: {
    io_service_bytes_recursive?: Array<{ op: string; value: number }> | null;
    io_serviced_recursive?: Array<{ op: string; value: number }> | null;
  };
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }>;
}

export interface DockerStatsFigures {
  memory: MemoryFigures;
  cpu: CpuFigures;
  disk: DiskFigures;
  network: NetworkFigures;
}

/** One answer of GET /containers/ID/stats, made into figures. */
export function figuresOfStats(stats: ContainerStats): DockerStatsFigures {
  const stopped = unavailable('the engine reports no figures: the container is not running');
  const memory = stats.memory_stats;
  const keys = memory?.stats;
  const v1 = keys !== undefined && 'total_inactive_file' in keys;
  const key = (name: string) => keys?.[v1 ? `total_${name}` : name] ?? 0;
  const usage = memory?.usage;
  const cpu = stats.cpu_stats?.cpu_usage;
  const running = usage !== undefined && keys !== undefined;
  const ms = (nanoseconds: number | undefined): Measured<number> =>
    nanoseconds === undefined || !running ? stopped : nanoseconds / 1e6;

  const sumOf = (entries: Array<{ op: string; value: number }> | null | undefined, op: string) => {
    if (entries === undefined || entries === null || entries.length === 0)
      return unavailable('the engine reports no blkio figures');
    return entries
      .filter((entry) => entry.op.toLowerCase() === op)
      .reduce((sum, entry) => sum + entry.value, 0);
  };
  const bytes = stats.blkio_stats?.io_service_bytes_recursive;
  const ops = stats.blkio_stats?.io_serviced_recursive;
  const buffered = unavailable('cgroup v1 charges write-back to the root group');
  const networks = stats.networks === undefined ? undefined : Object.values(stats.networks);
  const noNetwork = unavailable('the engine reports no network of its own for this container');

  return {
    memory: {
      workingSetBytes: running ? Math.max(0, usage - key('inactive_file')) : stopped,
      unreclaimableBytes: !running
        ? stopped
        : v1
          ? unavailable('the engine leaves out kernel memory on cgroup v1')
          : key('anon') + key('shmem') + (keys['kernel'] ?? key('kernel_stack') + key('slab')),
      pssBytes: unavailable('the engine has no proportional set size'),
      peakBytes: memory?.max_usage ?? unavailable('the engine has no peak on cgroup v2'),
    },
    cpu: {
      totalMs: ms(cpu?.total_usage),
      userMs: ms(cpu?.usage_in_usermode),
      systemMs: ms(cpu?.usage_in_kernelmode),
      throttledMs: ms(stats.cpu_stats?.throttling_data?.throttled_time),
    },
    disk: {
      readBytes: running ? sumOf(bytes, 'read') : stopped,
      writtenBytes: running ? (v1 ? buffered : sumOf(bytes, 'write')) : stopped,
      readOps: running ? sumOf(ops, 'read') : stopped,
      writeOps: running ? (v1 ? buffered : sumOf(ops, 'write')) : stopped,
    },
    network: {
      receivedBytes: networks?.reduce((sum, each) => sum + each.rx_bytes, 0) ?? noNetwork,
      sentBytes: networks?.reduce((sum, each) => sum + each.tx_bytes, 0) ?? noNetwork,
    },
  };
}

export interface DockerStatsParts {
  memory: Part<MemoryFigures>;
  cpu: Part<CpuFigures>;
  disk: Part<DiskFigures>;
  network: Part<NetworkFigures>;
}

/** The four parts share one answer per read: they are asked in the same turn. */
export function dockerStatsParts(api: EngineApi, containerId: string): DockerStatsParts {
  // one-shot: without it the engine waits for a second sample to compare with, one second more.
  const path = `/containers/${encodeURIComponent(containerId)}/stats?stream=false&one-shot=true`;
  let pending: Promise<Measured<DockerStatsFigures>> | undefined;
  const ask = () => {
    pending ??= api
      .get(path)
      .then((stats) => figuresOfStats(stats as ContainerStats))
      .catch((error: unknown) =>
        unavailable(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => {
        pending = undefined;
      });
    return pending;
  };
  const part = <Name extends keyof DockerStatsFigures>(
    name: Name,
    keys: ReadonlyArray<keyof DockerStatsFigures[Name] & string>,
  ): Part<DockerStatsFigures[Name]> => ({
    source: 'Docker engine API, container stats; helpers on the engine’s host not seen',
    async read() {
      const all = await ask();
      if (!isUnavailable(all)) return all[name];
      return Object.fromEntries(keys.map((each) => [each, all])) as DockerStatsFigures[Name];
    },
    close: () => {},
  });
  return {
    memory: part('memory', ['workingSetBytes', 'unreclaimableBytes', 'pssBytes', 'peakBytes']),
    cpu: part('cpu', ['totalMs', 'userMs', 'systemMs', 'throttledMs']),
    disk: part('disk', ['readBytes', 'writtenBytes', 'readOps', 'writeOps']),
    network: part('network', ['receivedBytes', 'sentBytes']),
  };
}
