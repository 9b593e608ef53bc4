/**
 * One ruler: every target is read through this interface, and the same quantity has the same name
 * whatever it was read from. Counters are cumulative since the deployment's start; the difference
 * of two readings is what a window cost.
 */
import type { Measured } from '../record/measured.ts';

export interface MeterReading {
  /** Monotonic milliseconds (performance.timeOrigin + performance.now()), when the read began. */
  atMs: number;
  memory: {
    /** v2 `memory.current − inactive_file`; v1 `usage_in_bytes − total_inactive_file`. */
    workingSetBytes: Measured<number>;
    /** v2 anon + shmem + kernel; v1 total_rss + total_shmem + kmem. */
    unreclaimableBytes: Measured<number>;
    /** Proportional set size of the process tree; read only where `expensive` was asked for. */
    pssBytes: Measured<number>;
    peakBytes: Measured<number>;
    /** Guest MemTotal − MemAvailable, where there is a guest. */
    guestUsedBytes: Measured<number>;
    /** What helpers outside of the cgroup hold (RssAnon): part of the two figures above. */
    helperBytes?: Measured<number>;
  };
  cpu: {
    totalMs: Measured<number>;
    userMs: Measured<number>;
    systemMs: Measured<number>;
    throttledMs: Measured<number>;
  };
  /**
   * How far cpu.totalMs may be behind at most, since parts of it are counted in 10 ms steps: 20 ms for
   * each process that is read from /proc (user and system), 0 for a cgroup's own counter.
   */
  cpuStepMs?: number;
  disk: {
    readBytes: Measured<number>;
    writtenBytes: Measured<number>;
    readOps: Measured<number>;
    writeOps: Measured<number>;
  };
  network: {
    receivedBytes: Measured<number>;
    sentBytes: Measured<number>;
  };
  /** CPU of helpers (shim, docker-proxy, ssh tunnel) that is part of cpu.totalMs, by name. */
  helpers: Array<{
    name: string;
    pid: number;
    cpuMs: Measured<number>;
    rssBytes: Measured<number>;
  }>;
  /** Daemons that all deployments share (dockerd, containerd, libvirtd): part of no total. */
  daemons?: Array<{
    name: string;
    pid: number;
    cpuMs: Measured<number>;
    rssBytes: Measured<number>;
  }>;
  /** What this read itself took on the thread that read. */
  cost?: { cpuMs: number; wallMs: number };
  /** What a reader must know, e.g. "docker-proxy (pid 12) has ended: its last figures are kept". */
  notes?: string[];
  /** Where each group was read from, e.g. { memory: 'cgroup v1 /sys/fs/cgroup/memory/…' }. */
  sources: Record<string, string>;
}

export interface Meter {
  /** `expensive`: also read what disturbs the target (smaps_rollup). Not during load. */
  read(options?: { expensive?: boolean }): Promise<MeterReading>;
  /**
   * Has what the target wrote reach the place where it is counted (a sync of its file systems, of
   * the guest's). Not during load. Gives the time it took, or why it could not be done.
   */
  settle?(): Promise<Measured<number>>;
  /** Readings closer together than this would only wait for one another; absent: no limit. */
  readonly minIntervalMs?: number | undefined;
  /** Its processes here and now, helpers included; empty where they are not on this host. */
  pids?(): number[];
  /** Why its CPU time may not be this host's, e.g. a remote engine; absent: it is. */
  readonly elsewhere?: string | undefined;
  /** A path on the device that the target writes to, for the device's own counters. */
  readonly filesPath?: string | undefined;
  close(): Promise<void>;
}
