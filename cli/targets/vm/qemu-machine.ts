/** One machine under QEMU alone: its life, its figures, its traces. */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isScratchpadError, ScratchpadError } from '../../errors.ts';
import type { Meter } from '../../meters/meter.ts';
import { openMeter } from '../../meters/open.ts';
import { askQmp } from '../../meters/qmp.ts';
import { type Cgroup, createCgroup, removeCgroup } from '../bare/cgroup.ts';
import { launch } from '../bare/launch.ts';
import { lastLines, type Run, runCommand, throwIfAborted } from '../command.ts';
import { tailOfFile } from '../log-file.ts';
import { assertPortFree } from '../port.ts';
import {
  DEPLOYMENT_MARKER,
  findMarked,
  identify,
  isAlive,
  OWNER_MARKER,
  type ProcessIdentity,
  terminate,
  waitUntilGone,
} from '../process-identity.ts';
import type { StartMark } from '../start-mark.ts';
import { ownerTag } from '../state.ts';
import { storagePart } from '../storage-part.ts';
import type { Deployment, DeploymentState, Phase, StorageReading } from '../target.ts';
import { workloadEnvironment } from '../workload-env.ts';
import { deepenAcceptQueue } from './accept-queue.ts';
import { Bridge, type BridgeNetwork, bridgeParameters } from './bridge.ts';
import { faultOfVmm, markOf, phasesFrom, restartsOnConsole, SerialConsole } from './console.ts';
import {
  askGuest,
  guestPhases,
  guestReading,
  type HumanMonitor,
  parseFacts,
} from './guest-control.ts';
import {
  brokenMachine,
  failedBoot,
  hungGuest,
  type Liveness,
  maxSilenceMs,
  restartedWords,
} from './guest-health.ts';
import { type Acceleration, findProgram, type GuestArchitecture } from './host.ts';
import { keepLog } from './kept-log.ts';
import { cgroupName, machineFiles, machineName } from './names.ts';
import { GUEST_PORT, NETDEV, qemuArguments, ROOT_DRIVE } from './qemu-command.ts';

/** What `prepared.handles` holds. JSON. */
export interface VmHandles {
  boxFolder: string;
  rootDisk: string;
  kernel: string;
  initrd: string;
  artifactDisk: string;
  emulator: string;
  architecture: GuestArchitecture;
  guestOs: string;
  guestKernel: string;
  kernelSha256: string;
  /** What the trial found. */
  acceleration: Acceleration;
}

/** What `state.resources` holds. JSON. */
export interface QemuResources {
  /** Of the path `bridge`; null: none. */
  network: BridgeNetwork | null;
  process: ProcessIdentity | null;
  cgroup: Cgroup | null;
  overlay: string;
  consoleLog: string;
  qemuLog: string;
}

/** The workload drains for at most 10 s, systemd waits 15 s. */
const POWEROFF_MS = 30_000;
/** Emulated guests are slow to answer; with KVM it takes milliseconds. */
const FACTS_TIMEOUT_MS = 10_000;
/**
 * QEMU's monitor: it answers one client after the other, and while it translates for an emulated
 * guest on a busy host not at once. Its socket is there once QEMU has begun.
 */
const MONITOR_TIMEOUT_MS = 10_000;
const MONITOR_SOCKET_MS = 5_000;
/** States of QEMU that a machine does not leave by itself. */
const BROKEN = new Set(['internal-error', 'guest-panicked']);

export class QemuMachine implements Deployment {
  readonly state: DeploymentState;
  /** Longest silence of the console before the workload listens. */
  maxSilenceMs: number;
  readonly #run: Run;
  #mark: StartMark | null = null;
  #console: SerialConsole | null = null;
  #guestPhases: Phase[] | null = null;
  /** The path being opened, or open. */
  #opening: Promise<void> | undefined;
  #forwardFault: { why: string; code: 'PORT_IN_USE' | 'TARGET_UNREACHABLE' } | null = null;

  constructor(state: DeploymentState, run: Run = runCommand) {
    this.state = state;
    this.#run = run;
    this.maxSilenceMs = maxSilenceMs(state.plan);
  }

  get url(): string {
    return this.state.url;
  }

  get startedAtNs(): bigint | null {
    return this.#mark?.ns ?? null;
  }

  get #resources(): Partial<QemuResources> {
    return this.state.resources as Partial<QemuResources>;
  }

  get #files() {
    return machineFiles(this.state.id);
  }

  get #bridge(): Bridge {
    return new Bridge(this.state.id, this.#run);
  }

  get #handles(): VmHandles {
    if (this.state.prepared === null) throw new Error('vm: start before prepare');
    return this.state.prepared.handles as unknown as VmHandles;
  }

  /** The overlay disk, and then the start call. Returns warnings. */
  async create(signal: AbortSignal): Promise<string[]> {
    const { folder, overlay, socketFolder } = this.#files;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (socketFolder) mkdirSync(socketFolder, { recursive: true, mode: 0o700 });
    const { rootDisk } = this.#handles;
    const made = await this.#run(
      findProgram('qemu-img') ?? 'qemu-img',
      ['create', '-q', '-f', 'qcow2', '-b', rootDisk, '-F', 'qcow2', overlay],
      { signal },
    );
    if (made.code !== 0) throw overlayFailed(lastLines(made.stderr, 3));
    const isBridged = this.state.plan.path === 'bridge';
    this.state.resources['network'] = isBridged ? await this.#bridge.create() : null;
    return this.launch();
  }

  /** The start call, of a new machine and of a stopped one. Returns warnings. */
  async launch(): Promise<string[]> {
    const { id, plan } = this.state;
    const files = this.#files;
    const handles = this.#handles;
    const { options } = plan;
    const network = this.#resources.network ?? null;
    const { cgroup, warnings } = this.#cgroup();
    this.#console?.close();
    this.#guestPhases = null;
    this.#opening = undefined;
    this.#forwardFault = null;
    this.#console = new SerialConsole(files.consoleLog, sizeOf(files.consoleLog), ({ text }) => {
      if (markOf(text) === 'listening') this.#opening = this.#forward();
    });
    const { pid, mark } = await launch({
      command: [
        handles.emulator,
        ...qemuArguments({
          name: machineName(id),
          emulator: handles.emulator,
          architecture: handles.architecture,
          acceleration: plan.acceleration === 'kvm' ? 'kvm' : 'tcg',
          cpus: options.limits.cpus,
          memoryBytes: options.limits.memoryBytes,
          kernel: handles.kernel,
          initrd: handles.initrd,
          overlay: files.overlay,
          artifactDisk: handles.artifactDisk,
          tap: network ? { name: network.tap, mac: network.mac } : undefined,
          parameters: [
            ...(network ? bridgeParameters(network) : []),
            ...guestEnvironment(this.state),
          ],
          consoleLog: files.consoleLog,
          controlSocket: files.controlSocket,
          meterSocket: files.meterSocket,
        }),
      ],
      environment: {
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        [DEPLOYMENT_MARKER]: id,
        [OWNER_MARKER]: ownerTag(),
      },
      cwd: files.folder,
      logFile: files.qemuLog,
      cgroup,
      cpuSet: options.cpuSet,
    });
    this.#mark = mark;
    const resources: QemuResources = {
      network,
      process: identify(pid),
      cgroup,
      overlay: files.overlay,
      consoleLog: files.consoleLog,
      qemuLog: files.qemuLog,
    };
    Object.assign(this.state.resources, resources);
    return warnings;
  }

  /**
   * Opens the path: called when the console says that the workload listens. A failure is kept for
   * `liveness`; it never rejects.
   */
  async #forward(): Promise<void> {
    const { host, port } = this.state.plan.options;
    const { network } = this.#resources;
    try {
      if (network) {
        // address translation would hide who listens there
        await assertPortFree(host, port);
        await this.#bridge.open(network, port);
        return;
      }
      const said = await this.#monitor(`hostfwd_add ${NETDEV} tcp:${host}:${port}-:${GUEST_PORT}`);
      if (said.trim() !== '') this.#forwardFault = { why: said.trim(), code: 'PORT_IN_USE' };
      else await deepenAcceptQueue(this.state.plan, this.#resources.process!.pid, this.#run);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const isTaken = isScratchpadError(error) && error.code === 'PORT_IN_USE';
      this.#forwardFault = { why, code: isTaken ? 'PORT_IN_USE' : 'TARGET_UNREACHABLE' };
    }
  }

  /**
   * A cgroup to be measured by. Its ceilings are those of the machine only where a vCPU cannot
   * express them (half a CPU): guest RAM and vCPUs are the machine's own ceilings, and QEMU needs
   * memory beside the guest's.
   */
  #cgroup(): { cgroup: Cgroup | null; warnings: string[] } {
    const existing = this.#resources.cgroup;
    if (existing) return { cgroup: existing, warnings: [] };
    const { limits, cpuSet } = this.state.plan.options;
    const whole = Number.isInteger(limits.cpus);
    const room = {
      profile: limits.profile,
      cpus: whole ? Math.max(availableParallelism(), limits.cpus + 1) : limits.cpus,
      // the translation cache of an emulator alone may take 1 GiB
      memoryBytes: limits.memoryBytes * 2 + 2 * 1024 ** 3,
    };
    const made = createCgroup(cgroupName(this.state.id), room, cpuSet);
    if ('reason' in made) {
      const warnings = [`vm: measured by its process tree, no cgroup: ${made.reason}`];
      if (!whole) {
        const vcpus = Math.ceil(limits.cpus);
        warnings.push(`vm: no cgroup holds it to ${limits.cpus} CPUs: it has ${vcpus} whole`);
      }
      return { cgroup: null, warnings };
    }
    return { cgroup: made, warnings: made.warnings.map((warning) => `vm: ${warning}`) };
  }

  /** From the console; once the workload listens, the guest's own durations beside. */
  async phases(): Promise<Phase[]> {
    if (this.#mark === null || this.#console === null) return [];
    this.#console.read();
    const phases = phasesFrom(this.#console.lines, this.#mark.ns);
    if (phases.at(-1)?.name !== 'service to listening') return phases;
    await this.#opening;
    this.#guestPhases ??= await this.#ask('facts', FACTS_TIMEOUT_MS)
      .then((facts) => guestPhases(phases, parseFacts(facts)))
      .catch(() => []);
    return [...phases, ...this.#guestPhases];
  }

  async meter(): Promise<Meter> {
    const { process, cgroup, network } = this.#resources;
    if (!process || !isAlive(process)) throw this.#notRunning();
    const { meterSocket, folder } = this.#files;
    return openMeter({
      kind: 'qemu',
      pid: process.pid,
      cgroup:
        cgroup == null
          ? undefined
          : cgroup.version === 1
            ? { v1: cgroup.folders }
            : { v2: { folder: cgroup.folders.unified! } },
      qmpSocket: meterSocket,
      drives: [ROOT_DRIVE],
      guestProbe: async () => guestReading(parseFacts(await this.#ask('facts', FACTS_TIMEOUT_MS))),
      guestSync: async () => {
        await this.#ask('sync', FACTS_TIMEOUT_MS);
      },
      filesPath: folder,
      ...(network ? { network: { kind: 'host-interface', name: network.tap } } : {}),
    });
  }

  async storage(): Promise<StorageReading> {
    const handles = this.#handles;
    const { overlay, consoleLog } = this.#files;
    return {
      parts: await Promise.all([
        storagePart('guest system (root disk)', 'shared', handles.rootDisk),
        storagePart('kernel', 'shared', handles.kernel),
        storagePart('initramfs', 'shared', handles.initrd),
        storagePart('runtime and bundle (artifact disk)', 'shared', handles.artifactDisk),
        storagePart('overlay disk, with the database', 'marginal', overlay),
        storagePart('console log', 'marginal', consoleLog),
      ]),
    };
  }

  async logs(lines: number): Promise<string> {
    const { consoleLog, qemuLog } = this.#files;
    const guest = tailOfFile(consoleLog, lines).replaceAll('\r', '');
    const vmm = tailOfFile(qemuLog, lines);
    return lastLines([vmm, guest].filter((text) => text !== '').join('\n'), lines);
  }

  async liveness(): ReturnType<Deployment['liveness']> {
    const { process } = this.#resources;
    if (!process) return { alive: false, detail: 'never started' };
    if (this.#forwardFault !== null) {
      const { host, port } = this.state.plan.options;
      return {
        alive: false,
        detail: `${host}:${port} cannot be forwarded: ${this.#forwardFault.why}`,
        code: this.#forwardFault.code,
      };
    }
    if (isAlive(process)) {
      const hang = this.#hang();
      return hang ?? this.#runState(process.pid);
    }
    const { consoleLog, qemuLog } = this.#files;
    const fault = failedBoot(this.state, consoleLog);
    if (fault !== null) return fault;
    const said = tailOfFile(qemuLog, 3);
    return {
      alive: false,
      detail: `QEMU (pid ${process.pid}) has ended${said === '' ? '' : `: ${said}`}; console log: ${keepLog(this.state.id, consoleLog)}`,
    };
  }

  #hang(): Liveness | null {
    if (this.#console === null || this.#mark === null) return null;
    return hungGuest(this.state, this.#files.consoleLog, {
      console: this.#console,
      sinceNs: this.#mark.ns,
      maxMs: this.maxSilenceMs,
    });
  }

  /** A machine can be there and yet stand still: paused because the host's disk is full. */
  async #runState(pid: number): ReturnType<Deployment['liveness']> {
    const [answer] = await askQmp(this.#files.controlSocket, [{ execute: 'query-status' }]).catch(
      () => [],
    );
    const status = answer?.ok ? (answer.value as { status?: string }).status : undefined;
    if (status === 'io-error') {
      return {
        alive: false,
        detail: `the machine is paused: its disk ${this.#files.overlay} cannot be written (no space left on the host?)`,
        code: 'DISK_FULL',
      };
    }
    if (status !== undefined && BROKEN.has(status)) {
      const { consoleLog, qemuLog } = this.#files;
      return brokenMachine(this.state, consoleLog, status, faultOfVmm(tailOfFile(qemuLog, 200)));
    }
    const told = [
      `QEMU pid ${pid}`,
      ...(status === undefined ? [] : [status]),
      ...restartedWords(await this.restarts()),
    ];
    return { alive: true, detail: told.join(', ') };
  }

  /** By the guest's own systemd, since the machine's last boot. */
  async restarts(): Promise<number | null> {
    return restartsOnConsole(this.#files.consoleLog);
  }

  /** Poweroff from inside, in order; a guest that does not is switched off, and that is an error. */
  async stop(signal?: AbortSignal): Promise<{ durationMs: number }> {
    throwIfAborted(signal);
    const { process, network } = this.#resources;
    await this.#opening;
    try {
      const startedAt = performance.now();
      if (process && isAlive(process)) await this.#powerOff(process);
      return { durationMs: performance.now() - startedAt };
    } finally {
      this.#console?.close();
      if (network) await this.#bridge.close();
    }
  }

  async #powerOff(process: ProcessIdentity): Promise<void> {
    await this.#ask('poweroff', POWEROFF_MS);
    if (await waitUntilGone([process], POWEROFF_MS)) return;
    await terminate([process], 1_000);
    throw new ScratchpadError(
      'VM_GUEST_HUNG',
      'The guest did not power off and was switched off.',
      {
        hint: `Its console log: ${this.#files.consoleLog}`,
      },
    );
  }

  async restart(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { process } = this.#resources;
    if (process && isAlive(process)) throw new Error('vm: restart of a running machine');
    await this.launch();
  }

  async destroy(): Promise<void> {
    const { id } = this.state;
    const recorded = this.#resources.process ?? null;
    const processes = [
      ...(recorded ? [recorded] : []),
      ...findMarked(DEPLOYMENT_MARKER, id).filter(({ pid }) => pid !== recorded?.pid),
    ];
    // SIGTERM makes QEMU close its images; the data is thrown away, so the guest need not know
    const left = await terminate(processes.filter(isAlive), 2_000);
    this.#console?.close();
    if (left.length > 0) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new ScratchpadError('CLEANUP_INCOMPLETE', `Process ${pids} of vm ${id} does not end.`, {
        hint: 'It may belong to another user, or wait in the kernel for a disk.',
      });
    }
    await this.#opening;
    if (this.state.plan.path === 'bridge') await this.#bridge.remove();
    await removeCgroup(cgroupName(id)).catch((error: unknown) => {
      throw new ScratchpadError('CLEANUP_INCOMPLETE', `A cgroup of vm ${id} is left.`, {
        cause: error,
      });
    });
    const { folder, socketFolder } = this.#files;
    if (socketFolder) rmSync(socketFolder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }

  readonly #monitor: HumanMonitor = async (line) => {
    const [answer] = await askQmp(
      this.#files.controlSocket,
      [{ execute: 'human-monitor-command', arguments: { 'command-line': line } }],
      MONITOR_TIMEOUT_MS,
      MONITOR_SOCKET_MS,
    );
    if (!answer?.ok) throw new Error(answer?.error ?? 'no answer from the monitor');
    return String(answer.value);
  };

  #ask(order: 'facts' | 'sync' | 'poweroff', timeoutMs: number): Promise<string> {
    return askGuest({ monitor: this.#monitor, netdev: NETDEV }, order, timeoutMs);
  }

  #notRunning(): ScratchpadError {
    return new ScratchpadError('TARGET_DIED', `The machine of ${this.url} is not running.`, {
      hint: `Its console log: ${this.#files.consoleLog}`,
    });
  }
}

/** Bytes of a file; 0 where there is none. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The workload's environment as kernel parameters; initramfs-init.sh turns them back. */
export function guestEnvironment(state: DeploymentState): string[] {
  const environment = workloadEnvironment(state.plan.options, {
    // in the guest; what reaches it from outside is the one forwarded port
    host: '0.0.0.0',
    port: GUEST_PORT,
    databaseFile: '/var/lib/scratchpad/scratchpad.db',
  });
  return Object.entries(environment).map(([name, value]) => {
    if (/[\s"]/.test(value)) throw new Error(`${name} cannot be a kernel parameter: ${value}`);
    return `scratchpad.env.${name}=${value}`;
  });
}

function overlayFailed(cause: string): ScratchpadError {
  const full = /No space left/.test(cause);
  return new ScratchpadError(
    full ? 'DISK_FULL' : 'TARGET_START_FAILED',
    'The machine’s disk could not be made.',
    {
      cause,
      hint: full
        ? 'Free some space, or set SCRATCHPAD_STATE_DIR to a folder on another disk.'
        : 'Remove the box (`scratchpad doctor` names the cache folder) and deploy again.',
    },
  );
}
