/**
 * What a deployment tells the meter about itself. A target builds a MeterSpec from its state (pids,
 * cgroup folders, container id, sockets) and calls `openMeter(spec)`; it never reads a counter
 * itself, so that the same quantity is read in the same way for every target.
 *
 * Everything that is optional may be left out: the figures that would come from it are then
 * `unavailable`, with the reason.
 */
import type { Measured } from '../record/measured.ts';

/**
 * A process outside of the deployment's cgroup that works for this deployment alone: shim,
 * docker-proxy, ssh tunnel. Its CPU and its anonymous memory are added to the deployment's.
 */
export interface HelperProcess {
  name: string;
  pid: number;
}

/** Absolute folders, one per cgroup v1 controller, e.g. `/sys/fs/cgroup/memory/scratchpad/abc`. */
export interface CgroupV1Folders {
  memory?: string | undefined;
  cpuacct?: string | undefined;
  cpu?: string | undefined;
  blkio?: string | undefined;
}

/** Where the deployment's packets on the wire can be counted. Default: unavailable, with a reason. */
export type NetworkSpec =
  /** All interfaces but `lo` of the network namespace of this process (a container's init). */
  | { kind: 'namespace'; pid: number }
  /** The host's end of a pair (veth, tap): what the host receives is what the target sent. */
  | { kind: 'host-interface'; name: string }
  /** E.g. loopback, where the kernel keeps no count per process. */
  | { kind: 'none'; reason: string };

/** A process, or several, in a cgroup of their own: the bare target, or any that you start. */
export interface CgroupSpec {
  kind: 'cgroup';
  v1?: CgroupV1Folders | undefined;
  v2?: { folder: string } | undefined;
  /** Find the cgroup of this process instead of naming `v1` or `v2` (both drivers, all layouts). */
  ofPid?: number | undefined;
  /**
   * Roots of the process trees inside: for PSS and `/proc/PID/io`. Default: `cgroup.procs`,
   * which costs one more read and is right for every process that joined before exec.
   */
  pids?: number[] | undefined;
  helpers?: HelperProcess[] | undefined;
  /**
   * Shared daemons: listed apart in each reading, not part of the totals. Default: those of Docker
   * and libvirt that run on this host.
   */
  daemons?: HelperProcess[] | undefined;
  network?: NetworkSpec | undefined;
  /** The folder of its database: its file system is synced when a window closes. */
  filesPath?: string | undefined;
}

/** Where there is no cgroup to be had (macOS, no rights): the process and all its descendants. */
export interface ProcessTreeSpec {
  kind: 'process-tree';
  rootPid: number;
  helpers?: HelperProcess[] | undefined;
  daemons?: HelperProcess[] | undefined;
  network?: NetworkSpec | undefined;
  /** The folder of its database: its file system is synced when a window closes. */
  filesPath?: string | undefined;
}

/**
 * A container. Where `local`, its cgroup, shim, docker-proxy, network namespace and daemons are
 * found here (cgroup v1 and v2, cgroupfs and systemd drivers). Where not, or where its processes
 * turn out not to be visible here, the engine's stats API is asked, through
 * `docker system dial-stdio`, which honours DOCKER_HOST, contexts, TLS and ssh.
 */
export interface DockerSpec {
  kind: 'docker';
  /** Full id or name. */
  containerId: string;
  /** True where the engine runs on this kernel (a unix socket on Linux). */
  local: boolean;
  /** The client, default `docker`. */
  command?: string | undefined;
  /** Before the subcommand, e.g. `['--context', 'remote']`. */
  args?: string[] | undefined;
  /** Default: this process's environment. */
  env?: NodeJS.ProcessEnv | undefined;
}

/** What the guest says of itself. Times in ms, sizes in bytes, counters since boot. */
export interface GuestReading {
  memoryTotalBytes: Measured<number>;
  memoryAvailableBytes: Measured<number>;
  /** All interfaces but `lo`, seen from inside. */
  networkReceivedBytes: Measured<number>;
  networkSentBytes: Measured<number>;
  /** E.g. "virtio balloon statistics", "ssh: /proc/meminfo". */
  source: string;
}

/** A virtual machine: QEMU's process tree is charged; its host CPU already contains the guest's. */
export interface QemuSpec {
  kind: 'qemu';
  /** The qemu-system-* process. */
  pid: number;
  /** The machine's own cgroup; default: the one that libvirt made, else the process tree of `pid`. */
  cgroup?: { v1?: CgroupV1Folders | undefined; v2?: { folder: string } | undefined } | undefined;
  /**
   * A QMP unix socket *for the meter alone* (QEMU serves one client per socket at a time; give
   * `-qmp unix:…,server=on,wait=off` twice). For `query-blockstats`, and for the guest's memory
   * where the machine has `-device virtio-balloon-pci,id=balloon0` (libvirt's default name).
   */
  qmpSocket?: string | undefined;
  /** QOM path of the balloon, default `/machine/peripheral/balloon0`. */
  balloonPath?: string | undefined;
  /**
   * Names of the drives that hold the machine's own writes, as in query-blockstats (`device`,
   * `node-name` or qdev id); default: all of them.
   */
  drives?: string[] | undefined;
  /**
   * A look from inside (ssh, agent). Called only on `expensive` reads: it costs the guest CPU.
   * May reject: the figures are then unavailable with the error's message.
   */
  guestProbe?: (() => Promise<GuestReading>) | undefined;
  /** Runs `sync` in the guest, when a window closes. */
  guestSync?: (() => Promise<void>) | undefined;
  /** The folder of its overlay disk image. */
  filesPath?: string | undefined;
  helpers?: HelperProcess[] | undefined;
  daemons?: HelperProcess[] | undefined;
  /** The tap device of a bridged machine; QEMU's user network keeps no count. */
  network?: NetworkSpec | undefined;
}

export type MeterSpec = CgroupSpec | ProcessTreeSpec | DockerSpec | QemuSpec;
