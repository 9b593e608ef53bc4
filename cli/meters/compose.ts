/** Puts the parts of a target together into one Meter: helpers added in, daemons listed apart. */
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import { nowMs } from './clock.ts';
import { HelperReader } from './helpers.ts';
import type { Meter, MeterReading } from './meter.ts';
import {
  add,
  type CpuFigures,
  type DiskFigures,
  type MemoryFigures,
  type NetworkFigures,
  type Part,
  type ReadOptions,
} from './parts.ts';
import { ENDED, STEPS_MS } from './process-parts.ts';
import type { ProcessSet } from './processes.ts';
import type { HelperProcess } from './spec.ts';
import { syncFileSystems } from './writeback.ts';

export interface GuestFigures {
  usedBytes: Measured<number>;
  /** Where the guest's own interface is the only place that counts; else undefined. */
  network?: NetworkFigures | undefined;
}

export interface MeterParts {
  memory: Part<MemoryFigures>;
  cpu: Part<CpuFigures>;
  disk: Part<DiskFigures>;
  network: Part<NetworkFigures>;
  guest?: Part<GuestFigures> | undefined;
  /** Where the guest's network figures are read, if the guest has them. */
  guestNetworkSource?: string | undefined;
  helpers?: HelperProcess[] | undefined;
  daemons?: HelperProcess[] | undefined;
  /** What a reader of any reading must know. */
  notes?: string[] | undefined;
  /**
   * The source answers with the sample that it takes next, so the reading's time is that of the
   * answer; more than one reading per so many ms would only queue.
   */
  answersAfterMs?: number | undefined;
  /** Why its CPU time may not be this host's. */
  elsewhere?: string | undefined;
  /** Who belongs to it, without the helpers. */
  processes?: ProcessSet | undefined;
  /** On the device that the target writes to. */
  filesPath?: string | undefined;
  /** Before the host's file system is synced, e.g. the guest's own. */
  settleFirst?: (() => Promise<void>) | undefined;
}

const NO_GUEST = unavailable('there is no guest: the target runs on the host kernel');

export function composeMeter(parts: MeterParts): Meter {
  const helpers = new HelperReader(parts.helpers ?? []);
  const daemons = new HelperReader(parts.daemons ?? []);
  const helperNames = (parts.helpers ?? []).map((each) => each.name);
  const plusHelpers = helperNames.length === 0 ? '' : ` + ${helperNames.join(', ')}`;
  const sources: Record<string, string> = {
    memory: parts.memory.source + (plusHelpers && `${plusHelpers} (RssAnon)`),
    cpu: parts.cpu.source + (plusHelpers && `${plusHelpers} (/proc/PID/stat)`),
    disk: parts.disk.source,
    network: parts.guestNetworkSource ?? parts.network.source,
    ...(parts.guest === undefined ? {} : { guest: parts.guest.source }),
  };
  const closable = [parts.memory, parts.cpu, parts.disk, parts.network, parts.guest];

  return {
    async read({ expensive = false } = {}) {
      const options: ReadOptions = { expensive };
      const atMs = nowMs();
      const cpuBefore = threadCpuMs();
      // CPU first: what comes after is the meter's own delay and must not move the counter's time.
      const [cpu, memory, disk, network, guest] = await Promise.all([
        parts.cpu.read(options),
        parts.memory.read(options),
        parts.disk.read(options),
        parts.network.read(options),
        parts.guest?.read(options),
      ]);
      const answeredMs = nowMs();
      const charged = helpers.read(options);
      const apart = daemons.read({ expensive: false });
      const reading: MeterReading = {
        atMs: parts.answersAfterMs === undefined ? atMs : answeredMs,
        memory: {
          workingSetBytes: add(memory.workingSetBytes, charged.anonymousBytes),
          unreclaimableBytes: add(memory.unreclaimableBytes, charged.anonymousBytes),
          pssBytes: add(memory.pssBytes, charged.pssBytes),
          peakBytes: memory.peakBytes,
          guestUsedBytes: guest?.usedBytes ?? NO_GUEST,
          helperBytes: charged.anonymousBytes,
        },
        cpu: {
          totalMs: add(cpu.totalMs, charged.userMs + charged.systemMs),
          userMs: add(cpu.userMs, charged.userMs),
          systemMs: add(cpu.systemMs, charged.systemMs),
          throttledMs: cpu.throttledMs,
        },
        cpuStepMs: (cpu.stepMs ?? 0) + charged.list.length * STEPS_MS,
        disk,
        network: guest?.network ?? network,
        helpers: charged.list,
        daemons: apart.list,
        cost: { cpuMs: threadCpuMs() - cpuBefore, wallMs: nowMs() - atMs },
        notes: [...(parts.notes ?? []), ...charged.notes],
        sources,
      };
      // asked last: what was read of those that lived until then is theirs
      return parts.processes?.ended() ? withoutFigures(reading) : reading;
    },
    filesPath: parts.filesPath,
    elsewhere: parts.elsewhere,
    minIntervalMs: parts.answersAfterMs,
    pids: () => [
      ...(parts.processes?.pids() ?? []),
      ...(parts.helpers ?? []).map((each) => each.pid),
    ],
    async settle() {
      try {
        const before = nowMs();
        await parts.settleFirst?.();
        const synced =
          parts.filesPath === undefined
            ? unavailable('the path of its files is not known')
            : await syncFileSystems([parts.filesPath]);
        return typeof synced === 'number' ? nowMs() - before : synced;
      } catch (error) {
        return unavailable(error instanceof Error ? error.message : String(error));
      }
    },
    async close() {
      for (const part of closable) part?.close();
      parts.processes?.close();
      helpers.close();
      daemons.close();
    },
  };
}

/**
 * A cgroup outlives its processes, and its counters stand still then: a stretch of zeros that looks
 * like a quiet target. What has a reason of its own keeps it.
 */
function withoutFigures(reading: MeterReading): MeterReading {
  const why = unavailable(ENDED);
  const none = <Group extends object>(group: Group): Group =>
    Object.fromEntries(
      Object.entries(group).map(([key, value]) => [key, isUnavailable(value) ? value : why]),
    ) as Group;
  return {
    ...reading,
    memory: none(reading.memory),
    cpu: none(reading.cpu),
    disk: none(reading.disk),
    network: none(reading.network),
  };
}

/** CPU of this thread where Node can tell (≥ 23.9), else of the process. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1000;
}
