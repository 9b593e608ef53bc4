/**
 * The one interface that every target implements, built in or from outside (CONTRIBUTING.md, "How to
 * add a target"). A target is found by name in `registry.ts`, loaded lazily, and drives its deployments through four steps that are timed apart:
 *
 *   plan (nothing happens) → prepare (build image or box) → start (the clock runs) → destroy
 *
 * State is written before each create (see `state.ts`), so that `down --all` can clean up after a
 * crash from the state alone.
 */
import type { ErrorCode } from '../errors.ts';
import type { Meter } from '../meters/meter.ts';
import type { Measured } from '../record/measured.ts';

export type TargetName = string;
export type RuntimeName = 'node' | 'deno' | 'bun';

/** How packets reach the workload; recorded, and a reason to refuse a comparison. */
export type PathKind =
  | 'loopback'
  | 'docker-proxy'
  | 'iptables'
  | 'host-network'
  | 'hostfwd'
  | 'bridge'
  | 'ssh-tunnel';

/** Ceilings, the same for all targets unless `--limits classic`. */
export interface Limits {
  profile: 'equal' | 'classic' | 'custom';
  cpus: number;
  memoryBytes: number;
}

export interface DeployOptions {
  /** `[a-z0-9-]+`, unique; names every resource that the deployment makes. */
  id: string;
  /** Random, served by `/readyz`, so that a reply proves *this* deployment is up. */
  nonce: string;
  host: '127.0.0.1';
  port: number;
  limits: Limits;
  runtime: RuntimeName;
  /** null: the best that the host has. */
  provider: string | null;
  /** null: the target's default path. */
  path: PathKind | null;
  /** CPUs that the target and its helpers are pinned to; null: not pinned. */
  cpuSet: number[] | null;
  /** Write one structured log line per request. Off while measuring. */
  requestLog: boolean;
  /** Run the container's health check. Off while measuring: it costs CPU. */
  healthCheck: boolean;
  /** The built workload to run, instead of this build's own: see `bench --artifact`. */
  artifactFolder?: string;
  /** Insert the seed posts of fixtures/ when the database is new. */
  seed: boolean;
}

/** What the host lacks, and the command that mends it. */
export type Availability =
  | { available: true; provider: string | null; notes: string[] }
  | {
      available: false;
      provider: string | null;
      reason: string;
      hint: string;
      /** What `deploy` fails with; default TARGET_UNAVAILABLE. */
      code?: ErrorCode;
    };

/** What will run: shown before anything is created, and recorded. */
export interface DeploymentPlan {
  target: TargetName;
  provider: string | null;
  /** Why this provider was picked, e.g. "qemu: no /dev/kvm, so emulated (tcg)". */
  providerReason: string | null;
  options: DeployOptions;
  path: PathKind;
  /** Hardware acceleration of a VM; null where there is no VM. `tcg` is emulation. */
  acceleration: 'kvm' | 'tcg' | 'hvf' | 'whpx' | 'unknown' | null;
  warnings: string[];
}

/** Work done before the start-up clock: image build, box, provisioning. Never start-up. */
export interface Prepared {
  durationMs: number;
  cached: boolean;
  /** SHA-256 of what will run inside, to be verified inside. */
  artifactSha256: string;
  runtimeSha256: string;
  /**
   * SHA-256 over all that is mounted read-only or booted from, as this prepare has verified it on
   * the host: what was hashed inside once need not be hashed inside again. Absent: it is, each time.
   */
  contentSha256?: string;
  steps: Array<{ name: string; durationMs: number; cached: boolean }>;
  /** Provider-specific handles (image id, box path): passed on to start. JSON only. */
  handles: Record<string, unknown>;
  warnings: string[];
}

/** One phase of start-up, in milliseconds since t0, on the host's monotonic clock. */
export interface Phase {
  name: string;
  startMs: number;
  endMs: number;
  /** Where it was read: 'engine event', 'serial console', 'app log', 'guest systemd'. */
  source: string;
}

/** Everything that is needed to reach, meter and remove a deployment from another process. */
export interface DeploymentState {
  schemaVersion: 1;
  id: string;
  target: TargetName;
  provider: string | null;
  phase: 'creating' | 'running' | 'stopped' | 'destroying';
  createdAt: string;
  url: string;
  nonce: string;
  plan: DeploymentPlan;
  prepared: Prepared | null;
  /** What was or is about to be created, by kind: pids with their start times, names, paths. */
  resources: Record<string, unknown>;
  /** The process that is creating it: a 'creating' state whose deployer has died is left over. */
  deployer?: { pid: number; startTicks: number | null };
  /** Absolute path of the module of a target from outside; written by `deployTarget`. */
  module?: string;
}

/** The parts a target stores outside: bytes on disk. Shared base and marginal, see METHOD 3. */
export interface StorageReading {
  parts: Array<{
    name: string;
    kind: 'shared' | 'marginal';
    allocatedBytes: Measured<number>;
    apparentBytes: Measured<number>;
    source: string;
  }>;
}

export interface Deployment {
  readonly state: DeploymentState;
  readonly url: string;
  /** Monotonic ns (process.hrtime.bigint()) of the instant before the exact start call. */
  readonly startedAtNs: bigint | null;
  /**
   * The start call still under way (`docker run`), where it outlasts `start()`: rejects with the
   * reason why nothing was started, resolves when it has returned. Readiness is the probe's.
   */
  readonly startCall?: Promise<void>;
  /**
   * Something accepts connections in the workload's place before it can answer: the polls wait for
   * the start call to return, the clock does not. Polls that reach docker-proxy before the container's
   * interface is up hang in it and delay the first reply, measured by 38 ms in the median of 6 starts.
   */
  readonly pollsAfterStartCall?: boolean;
  /** Phases known so far; complete once the first valid reply has been seen. */
  phases(): Promise<Phase[]>;
  /** One meter over all that this deployment costs on the host. */
  meter(): Promise<Meter>;
  storage(): Promise<StorageReading>;
  /** The last `lines` lines of what the workload (and the guest's console) printed. */
  logs(lines: number): Promise<string>;
  /** Is the process, container or machine alive now, and if not, how did it end. */
  liveness(): Promise<{ alive: boolean; detail: string /** What it died of. */; code?: ErrorCode }>;
  /**
   * How often something inside (a guest's init) has started the workload again after it had ended;
   * null where that cannot be told. Absent: nothing does, and a workload that ends is dead.
   */
  restarts?(): Promise<number | null>;
  /** Stop in order (SIGTERM, docker stop, shutdown), data kept, so that it can be restarted. */
  stop(signal?: AbortSignal): Promise<{ durationMs: number }>;
  /** Start a stopped one again; t0 is renewed. */
  restart(signal?: AbortSignal): Promise<void>;
  /** Remove everything, data included. Idempotent; works whatever the phase. */
  destroy(): Promise<void>;
}

export interface Progress {
  /** A step in words, e.g. "building image scratchpad:1f2e…". */
  step(text: string): void;
  /** Something the user should know and that goes into the record's warnings. */
  warn(text: string): void;
}

export interface Target {
  readonly name: TargetName;
  readonly summary: string;
  readonly providers: readonly string[];
  availability(provider: string | null): Promise<Availability>;
  /** The paths that `plan` accepts here, the default first. Absent: the default alone. */
  paths?(provider: string | null): Promise<PathKind[]>;
  plan(options: DeployOptions): Promise<DeploymentPlan>;
  prepare(plan: DeploymentPlan, progress: Progress, signal: AbortSignal): Promise<Prepared>;
  /** Returns as soon as the start call is made: readiness is the probe's to prove. */
  start(
    plan: DeploymentPlan,
    prepared: Prepared,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<Deployment>;
  /** A handle on a deployment of another process. */
  attach(state: DeploymentState): Promise<Deployment>;
  /** Find and remove what has no state file (labels, names, environment markers). */
  sweep(progress: Progress): Promise<{ removed: string[] }>;
}
