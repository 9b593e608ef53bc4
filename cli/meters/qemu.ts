/**
 * A machine under QEMU: CPU and memory are those of its process on the host, which hold the guest's;
 * disk is what the guest asked of its drives; the guest's own view comes from the balloon device
 * or from a probe inside.
 */
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import { type CgroupParts, cgroupParts } from './cgroup-parts.ts';
import { composeMeter, type GuestFigures } from './compose.ts';
import { machineCgroup } from './machine-cgroup.ts';
import type { Meter } from './meter.ts';
import { networkPart } from './network.ts';
import { type DiskFigures, type Part, pick, type ReadOptions } from './parts.ts';
import { processCpu, processDisk, processMemory } from './process-parts.ts';
import { allProcesses, daemonsAmong, type ProcessSet, processTrees } from './processes.ts';
import { askQmp, type QmpAnswer } from './qmp.ts';
import type { GuestReading, NetworkSpec, QemuSpec } from './spec.ts';

const DEFAULT_BALLOON = '/machine/peripheral/balloon0';
const USER_NETWORK = 'QEMU’s user network keeps no byte count; see the payload bytes of the load';

export async function openQemuMeter(spec: QemuSpec): Promise<Meter> {
  const tree = () => processTrees([spec.pid]);
  const host = hostParts(spec, tree);
  const monitor = spec.qmpSocket === undefined ? undefined : new Monitor(spec.qmpSocket, spec);
  await monitor?.startPolling();
  return composeMeter({
    memory: host.memory,
    cpu: host.cpu,
    disk: monitor === undefined ? host.disk : drives(monitor),
    processes: tree(),
    network: networkPart(spec.network ?? { kind: 'none', reason: USER_NETWORK }),
    guest: guest(monitor, spec.guestProbe, spec.network),
    guestNetworkSource:
      spec.network === undefined && spec.guestProbe !== undefined
        ? 'the guest’s own interfaces but lo, at the edges only'
        : undefined,
    helpers: spec.helpers,
    daemons: spec.daemons ?? daemonsAmong(allProcesses()),
    filesPath: spec.filesPath,
    settleFirst: spec.guestSync,
  });
}

/**
 * What the host charges: by the machine's cgroup, part by part where that has it. QEMU's process with
 * its threads is the whole machine too, so a CPU figure from there fits a memory figure from here.
 */
function hostParts(spec: QemuSpec, tree: () => ProcessSet): CgroupParts {
  if (spec.cgroup !== undefined) return cgroupParts(spec.cgroup, [spec.pid]);
  const { v1, v2 } = machineCgroup(spec.pid) ?? {};
  if (v2 !== undefined) return cgroupParts({ v2 }, [spec.pid]);
  const parts = cgroupParts({ v1 }, [spec.pid]);
  return {
    memory: v1?.memory === undefined ? processMemory(tree()) : parts.memory,
    cpu: v1?.cpuacct === undefined ? processCpu(tree()) : parts.cpu,
    disk: processDisk(tree()),
  };
}

/** One conversation with the monitor per reading, shared by the parts that need it. */
class Monitor {
  readonly socketPath: string;
  readonly balloonPath: string;
  readonly driveNames: readonly string[] | undefined;
  #pending: Promise<Measured<{ blocks: QmpAnswer; balloon: QmpAnswer }>> | undefined;

  constructor(socketPath: string, spec: QemuSpec) {
    this.socketPath = socketPath;
    this.balloonPath = spec.balloonPath ?? DEFAULT_BALLOON;
    this.driveNames = spec.drives;
  }

  /** Have the guest's balloon driver report each second; without the device nothing happens. */
  async startPolling(): Promise<void> {
    await askQmp(this.socketPath, [
      {
        execute: 'qom-set',
        arguments: { path: this.balloonPath, property: 'guest-stats-polling-interval', value: 1 },
      },
    ]).catch(() => undefined);
  }

  read(): Promise<Measured<{ blocks: QmpAnswer; balloon: QmpAnswer }>> {
    this.#pending ??= askQmp(this.socketPath, [
      { execute: 'query-blockstats' },
      { execute: 'qom-get', arguments: { path: this.balloonPath, property: 'guest-stats' } },
    ])
      .then(([blocks, balloon]) => ({ blocks: blocks!, balloon: balloon! }))
      .catch((error: Error) => unavailable(error.message))
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }
}

/** An entry of query-blockstats, as far as it is used. */
interface BlockStats {
  device?: string;
  'node-name'?: string;
  qdev?: string;
  stats: { rd_bytes: number; wr_bytes: number; rd_operations: number; wr_operations: number };
}

/** The drives' counters summed: what the guest asked of its devices, before any cache of the host. */
export function sumBlockStats(
  entries: readonly BlockStats[],
  names: readonly string[] | undefined,
): DiskFigures {
  const chosen = entries.filter(
    (each) =>
      names === undefined ||
      [each.device, each['node-name'], each.qdev].some((name) => name && names.includes(name)),
  );
  if (names !== undefined && chosen.length === 0) {
    const why = unavailable(`QEMU has no drive named ${names.join(' or ')}`);
    return { readBytes: why, writtenBytes: why, readOps: why, writeOps: why };
  }
  const sum = (of: (stats: BlockStats['stats']) => number) =>
    chosen.reduce((total, each) => total + of(each.stats), 0);
  return {
    readBytes: sum((stats) => stats.rd_bytes),
    writtenBytes: sum((stats) => stats.wr_bytes),
    readOps: sum((stats) => stats.rd_operations),
    writeOps: sum((stats) => stats.wr_operations),
  };
}

function drives(monitor: Monitor): Part<DiskFigures> {
  const none = (reason: string): DiskFigures => {
    const why = unavailable(reason);
    return { readBytes: why, writtenBytes: why, readOps: why, writeOps: why };
  };
  return {
    source: `QMP ${monitor.socketPath}: query-blockstats, what the guest asked of its drives`,
    async read() {
      const answers = await monitor.read();
      if (isUnavailable(answers)) return none(answers.unavailable);
      const { blocks } = answers;
      return blocks.ok
        ? sumBlockStats(blocks.value as BlockStats[], monitor.driveNames)
        : none(`query-blockstats: ${blocks.error}`);
    },
    close: () => {},
  };
}

/** The balloon's `guest-stats`: what the guest's kernel reports; a missing figure is -1 or 2^64 − 1. */
export function usedByBalloon(value: unknown): Measured<number> {
  const { stats, 'last-update': lastUpdate } = (value ?? {}) as {
    stats?: Record<string, number>;
    'last-update'?: number;
  };
  const total = stats?.['stat-total-memory'] ?? -1;
  const available = stats?.['stat-available-memory'] ?? -1;
  const known = (bytes: number) => bytes >= 0 && bytes < 2 ** 63;
  if (!lastUpdate) return unavailable('the guest’s balloon driver has not reported yet');
  if (!known(total) || !known(available))
    return unavailable('the guest’s balloon driver reports no total or available memory');
  return total - available;
}

const NOT_ASKED = {
  receivedBytes: unavailable('the guest is not asked under load'),
  sentBytes: unavailable('the guest is not asked under load'),
};

function guest(
  monitor: Monitor | undefined,
  probe: (() => Promise<GuestReading>) | undefined,
  network: NetworkSpec | undefined,
): Part<GuestFigures> {
  const byBalloon = async (): Promise<Measured<number>> => {
    if (monitor === undefined) return unavailable('no monitor socket to ask the balloon through');
    const answers = await monitor.read();
    if (isUnavailable(answers)) return answers;
    return answers.balloon.ok
      ? usedByBalloon(answers.balloon.value)
      : unavailable(`no balloon: ${answers.balloon.error}`);
  };
  const inside = async (): Promise<Measured<GuestReading>> => {
    try {
      return await probe!();
    } catch (error) {
      return unavailable(`guest probe: ${error instanceof Error ? error.message : error}`);
    }
  };
  return {
    source: [monitor && 'virtio balloon', probe && 'probe inside (edges only)']
      .filter(Boolean)
      .join('; '),
    async read({ expensive }: ReadOptions) {
      const usedBytes = await byBalloon();
      if (probe === undefined) return { usedBytes };
      if (!expensive) return { usedBytes, network: network === undefined ? NOT_ASKED : undefined };
      const reading = await inside();
      const used = pick(reading, (guestReading) => {
        const { memoryTotalBytes: total, memoryAvailableBytes: available } = guestReading;
        if (isUnavailable(total)) return total;
        return isUnavailable(available) ? available : total - available;
      });
      return {
        usedBytes: isUnavailable(usedBytes) ? (used as Measured<number>) : usedBytes,
        network:
          network === undefined
            ? {
                receivedBytes: pick(
                  reading,
                  (each) => each.networkReceivedBytes,
                ) as Measured<number>,
                sentBytes: pick(reading, (each) => each.networkSentBytes) as Measured<number>,
              }
            : undefined,
      };
    },
    close: () => {},
  };
}
