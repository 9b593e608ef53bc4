/**
 * The boundary of the load engine: what it is asked (LoadOptions), what it says while it runs
 * (LoadTick) and what it leaves (LoadMeasurement, embedded in the load record).
 */

/** One request of a scenario, weighted. */
export interface Operation {
  name: string;
  weight: number;
  method: string;
  /** Path and query, may hold {{templates}}. */
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** Captures from a response for later operations of the same virtual user. */
  capture?: Record<string, { from: 'location' | 'json' | 'header' | 'body'; pattern?: string }>;
  /** A response that is not so is a failure, `CHECK_FAILED` where nothing else is wrong. */
  expect?: { status?: number[]; bodyIncludes?: string };
  /** Variables of the virtual user, rendered before the request, kept when it succeeds. */
  set?: Record<string, string>;
  /**
   * What success means for the item that the virtual user holds: `create` gains one, `update`
   * changes it, `delete` loses it. `gone` runs on an item that was deleted. Default: none.
   */
  effect?: 'create' | 'update' | 'delete' | 'gone';
}

export interface Scenario {
  schemaVersion: 1;
  name: string;
  operations: Operation[];
  /**
   * After the run, each acknowledged item is read with operation `live`, each deleted one with
   * operation `gone`; what does not hold is `lost`.
   */
  verify?: { live: string; gone?: string };
  /** Its operations are runs of a benchmark module (modules/benchmark.ts), not HTTP requests. */
  module?: { /** Absolute. */ file: string; sha256: string };
}

/** A stretch of the plan: the rate goes from `fromRate` to `toRate` (equal: a step) in a line. */
export interface Stage {
  durationMs: number;
  fromRate: number;
  toRate: number;
}

export interface LoadOptions {
  /** http:, https: (`insecure` skips certificate checks), or unix socket via `socketPath`. */
  url: string;
  socketPath?: string;
  insecure?: boolean;
  loop: 'open' | 'closed';
  /** Requests per second, open loop only. */
  ratePerSecond: number | null;
  arrival: 'constant' | 'poisson';
  /** Ramps and steps over warm-up + duration, instead of `ratePerSecond`; open loop only. */
  stages?: Stage[];
  /** Closed loop: virtual users. Open loop: connection cap. */
  connections: number;
  durationMs: number;
  /** Excluded from every figure by intended time. */
  warmupMs: number;
  /** Time given to answers that are still open at the end. */
  drainMs: number;
  timeoutMs: number;
  seed: number;
  workers: number;
  scenario: Scenario | null;
  /** Extra headers of each request. */
  headers: Record<string, string>;
}

/** What one second of the run looked like; for the live view. */
export interface LoadTick {
  atMs: number;
  elapsedMs: number;
  phase: 'warmup' | 'measure' | 'drain';
  plannedPerSecond: number | null;
  answered: number;
  failed: number;
  p50Us: number | null;
  p99Us: number | null;
}

export interface LatencySummary {
  count: number;
  mean: number;
  median: number;
  stddev: number;
  min: number;
  max: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
  /** How many of `count` are "at least": unsent or unanswered when the run ended. */
  censored: number;
  /** Names of the percentiles that fall among the censored: they are lower bounds. */
  lowerBounds: string[];
  /** HdrHistogram V2, deflated, base64. */
  histogram: string;
}

/**
 * response = lag + wait + service, and service = ttfb + body, request by request:
 * - lag: intended time → taken up by the generator
 * - wait: taken up → sent: no free connection, or connecting; 0 on an idle connection
 * - ttfb: sent → first byte, body: first byte → last byte
 * `connect` is apart: the time to set up each new connection (TCP, and TLS where used).
 */
export type LatencyName = 'response' | 'service' | 'lag' | 'connect' | 'ttfb' | 'body';

export interface LoadMeasurement {
  startedAt: string;
  plan: {
    loop: 'open' | 'closed';
    ratePerSecond: number | null;
    arrival: 'constant' | 'poisson';
    connections: number;
    durationMs: number;
    warmupMs: number;
    drainMs: number;
    timeoutMs: number;
    seed: number;
    scenario: string;
    stages?: Stage[];
    sha256: string;
  };
  /** planned = sent + unsent; sent = answered + failed + open. Always. Warm-up excluded. */
  counts: {
    planned: number;
    sent: number;
    unsent: number;
    answered: number;
    failed: number;
    open: number;
    /** Requests of the warm-up, for reconciliation with the server's counter. */
    warmupSent: number;
    /** Requests known to have been put on the wire whole, warm-up included. */
    sentOnWire: number;
    /** Of sentOnWire, those of the verification after the run. */
    verifySent?: number;
    /**
     * Answered while the measured time ran, whenever they were intended: what the target's use of CPU
     * in that time was for.
     */
    answeredInWindow?: number;
  };
  /** Answered requests over the measured time. */
  requestsPerSecond: number;
  bytesPerSecond: number;
  bytes: {
    received: number;
    sent: number;
    /**
     * UTF-8 bytes of titles and texts (what an operation `set`s) of the accepted creates and updates;
     * null where the scenario writes something that it does not `set`.
     */
    posts?: number | null;
  };
  /** `response` holds every planned request once: answered, failed, censored. `answered` only those. */
  latencyUs: Record<LatencyName, LatencySummary> & {
    wait?: LatencySummary;
    answered?: LatencySummary;
  };
  /** The response latency of reused and of fresh connections. */
  connectionsUs: { fresh: LatencySummary; reused: LatencySummary };
  operations: Record<
    string,
    { answered: number; failed: number; response: LatencySummary; failedResponse: LatencySummary }
  >;
  errors: Record<string, number>;
  statuses: Record<string, number>;
  windows: Array<{
    atMs: number;
    answered: number;
    failed: number;
    p50Us: number | null;
    p99Us: number | null;
    maxUs: number | null;
  }>;
  generator: {
    cpuMs: number;
    workers: number;
    /** Where each worker was pinned to: one CPU a worker, the same for two that share it; absent: nowhere. */
    cpus?: number[];
    maxLagUs: number;
    eventLoopUtilization: number;
    /** Of cpuMs, what went into waiting for the next due time without work: not load. */
    spinMs?: number;
    /** How long the worst off worker was ready and other programs had its CPU; absent: unknown. */
    waitedForCpuMs?: number;
    /** Closed loop: the longest time at a stretch for which a worker stood still (heartbeat.ts). */
    longestStopMs?: number;
    /** Its threads went before all others of their CPU (SCHED_RR): it mostly slept, and might. */
    realTime?: boolean;
    peakRssBytes: number;
    clientLimited: boolean;
    reasons: string[];
  };
  /** The bottleneck by name. */
  limiter: 'none' | 'generator' | 'connection-cap' | 'target' | 'host';
  /** Stateful checks of the scenario: null where it has none. */
  integrity: null | { acknowledged: number; verified: number; lost: number; details: string[] };
  interrupted: boolean;
  /** What the teardown of a benchmark module threw; absent: nothing. The figures stand. */
  teardownError?: string;
  warnings: string[];
}
