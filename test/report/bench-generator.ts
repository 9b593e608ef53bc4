/**
 * Benches with a known truth, deterministic from a seed and valid under the records' schema: what
 * the statistics and the reports are tried on. The noise is that of a small shared host: 3 % between
 * trials, a drift through the bench, long-tailed latencies inside each trial.
 */
import { toBase64 } from '../../cli/load/histogram-export.ts';
import type { AnyRecord, BenchRecord, LoadRecord, TrialRecord } from '../../cli/record/schema.ts';
import { benchRecordSchema, loadRecordSchema, trialRecordSchema } from '../../cli/record/schema.ts';
import { Histogram } from '../../cli/stats/histogram.ts';
import { scheduleRounds } from '../../cli/stats/order.ts';
import { normal, type RandomSource, randomSource } from '../../cli/stats/random.ts';

/** The truth of one label: everything is multiplied onto the bare process. */
export interface Truth {
  target: string;
  provider?: string | null;
  path: string;
  acceleration?: string | null;
  startUpMs: number;
  latency: number;
  throughput: number;
  cpu: number;
  memoryMiB: number;
  guest?: boolean;
}

export const BARE: Truth = {
  target: 'bare',
  path: 'loopback',
  startUpMs: 310,
  latency: 1,
  throughput: 4700,
  cpu: 1,
  memoryMiB: 74,
};
export const DOCKER: Truth = {
  ...BARE,
  target: 'docker',
  path: 'docker-proxy',
  startUpMs: 960,
  latency: 1.3,
  throughput: 3300,
  cpu: 1.25,
  memoryMiB: 81,
};
export const VM: Truth = {
  ...BARE,
  target: 'vm',
  provider: 'qemu',
  path: 'hostfwd',
  acceleration: 'tcg',
  startUpMs: 24_500,
  latency: 14,
  throughput: 52,
  cpu: 31,
  memoryMiB: 612,
  guest: true,
};

export interface BenchOptions {
  labels?: Record<string, Truth>;
  rounds?: number;
  seed?: number;
  quick?: boolean;
  /** Standard deviation of ln(value) between trials. */
  noise?: number;
  durationMs?: number;
  ratePerSecond?: number;
  id?: string;
  startedAt?: string;
  artifactSha256?: string;
  fingerprint?: string;
  /** Rounds to void and repeat, by number. */
  voided?: Record<number, string>;
  /** Last word on each trial, e.g. to make a figure unavailable. */
  edit?: (trial: TrialRecord) => void;
  /** Without windows and samples: a tenth of the time to make. */
  bare?: boolean;
}

export function generateBench(options: BenchOptions = {}): {
  bench: BenchRecord;
  trials: TrialRecord[];
} {
  const {
    labels = { bare: BARE, docker: DOCKER, 'bare#2': BARE },
    rounds = 12,
    seed = 1,
    quick = false,
    durationMs = 120_000,
    ratePerSecond = 25,
    id = `20261124T031500Z-${(seed & 0xffff).toString(16).padStart(4, '0')}`,
    startedAt = '2026-11-24T03:15:00.000Z',
    voided = {},
  } = options;
  const random = randomSource(seed * 7919);
  const names = Object.keys(labels);
  const schedule = scheduleRounds(names, rounds, seed);
  const trials: TrialRecord[] = [];
  let clockMs = Date.parse(startedAt);
  schedule.forEach((order, index) => {
    const round = index + 1;
    const attempts = voided[round] === undefined ? [null] : [voided[round], null];
    for (const reason of attempts) {
      order.forEach((label, slot) => {
        clockMs += 170_000;
        const drift = 0.04 * (index / Math.max(1, rounds - 1));
        const trial = makeTrial({
          truth: labels[label]!,
          options: { ...options, durationMs, ratePerSecond, seed },
          random,
          drift,
          fields: {
            id: `${id}-r${round}-${label}${reason === null ? '' : '-void'}`,
            benchId: id,
            startedAt: new Date(clockMs).toISOString(),
            round,
            slot: slot + 1,
            label,
            voided: reason === null ? null : `round voided: ${reason}`,
          },
        });
        options.edit?.(trial);
        trials.push(trial);
      });
    }
  });
  const bench = benchRecordSchema.parse({
    schemaVersion: 1,
    kind: 'bench',
    id,
    startedAt,
    host: hostOf(options),
    warnings: [],
    seed,
    quick,
    roundsPlanned: rounds,
    roundsDone: rounds,
    targets: names,
    plan: {
      ratePerSecond,
      durationMs,
      saturationMs: 30_000,
      warmupMs: 10_000,
      limits: LIMITS,
      gates: { enforced: !quick },
    },
    schedule,
    trials: trials.map((trial) => `${trial.id}.json`),
    voidedRounds: Object.entries(voided).map(([round, reason]) => ({
      round: Number(round),
      reason,
    })),
    unavailableTargets: [],
    interrupted: false,
  });
  return { bench, trials };
}

/** Bench and trials in one list, as `compare` is given them. */
export function generateRecords(options: BenchOptions = {}): AnyRecord[] {
  const { bench, trials } = generateBench(options);
  return [bench, ...trials];
}

const LIMITS = { profile: 'equal', cpus: 1, memoryBytes: 2 ** 30 };
const MIB = 2 ** 20;

function hostOf({ fingerprint = 'f1'.repeat(8) }: BenchOptions) {
  return {
    fingerprint,
    summary: '2 × AMD EPYC, 8 GiB, Debian 12, Linux 6.1, cgroup v1, no KVM',
    cpuModel: 'AMD EPYC',
    cpus: 2,
    memoryBytes: 8 * 2 ** 30,
    kernel: '6.1.0-28-amd64',
    os: 'Debian GNU/Linux 12',
    governor: { unavailable: 'no cpufreq on this host' },
    cgroupVersion: 1,
    engine: { version: '20.10.24', storageDriver: 'overlay2' },
  };
}

interface TrialParts {
  truth: Truth;
  options: BenchOptions & { durationMs: number; ratePerSecond: number; seed: number };
  random: RandomSource;
  drift: number;
  fields: Record<string, unknown>;
}

function makeTrial({ truth, options, random, drift, fields }: TrialParts): TrialRecord {
  const { noise = 0.03 } = options;
  const scatter = (value: number) => value * Math.exp(drift + noise * normal(random));
  const firstHitMs = scatter(truth.startUpMs);
  const workingSet = scatter(truth.memoryMiB * MIB);
  const latency = measurement({
    medianUs: scatter(900 * truth.latency),
    ratePerSecond: options.ratePerSecond,
    loop: 'open',
    startedAt: fields['startedAt'] as string,
    random,
    options,
  });
  const throughput = truth.throughput * Math.exp(-drift + noise * normal(random));
  const saturation = measurement({
    medianUs: (16 / throughput) * 1e6,
    ratePerSecond: throughput,
    loop: 'closed',
    startedAt: fields['startedAt'] as string,
    random,
    options: { ...options, durationMs: options.bare ? options.durationMs : 30_000 },
  });
  const cpuMs = scatter(0.32 * truth.cpu) * latency.counts.answered;
  return trialRecordSchema.parse({
    schemaVersion: 1,
    kind: 'trial',
    host: hostOf(options),
    warnings: [],
    target: {
      name: truth.target,
      provider: truth.provider ?? null,
      url: 'http://127.0.0.1:5001/',
      path: truth.path,
      acceleration: truth.acceleration ?? null,
      runtime: 'node',
    },
    artifact: {
      sha256: options.artifactSha256 ?? 'a'.repeat(64),
      runtime: 'node',
      runtimeVersion: '24.21.0',
      runtimeSha256: 'b'.repeat(64),
      verifiedInTarget: true,
    },
    limits: LIMITS,
    startUp: {
      mode: 'warm',
      lastMissMs: firstHitMs - 5 - random(),
      firstHitMs,
      polls: Math.round(firstHitMs / 5),
      phases: phasesOf(truth, firstHitMs),
      memoryAtReady: { workingSetBytes: workingSet * 0.8 },
      shutdownMs: scatter(truth.target === 'bare' ? 18 : 320),
    },
    latency,
    saturation,
    resources: resourcesOf({
      truth,
      workingSet,
      cpuMs,
      answered: latency.counts.answered,
      durationMs: options.durationMs,
      options,
      random,
    }),
    storage: {
      parts: [
        {
          name: 'runtime and bundle',
          kind: 'shared',
          allocatedBytes: (truth.guest ? 640 : truth.target === 'bare' ? 128 : 236) * MIB,
          apparentBytes: 128 * MIB,
          source: 'st_blocks',
        },
        {
          name: 'database and writable layer',
          kind: 'marginal',
          allocatedBytes: scatter((truth.guest ? 38 : 0.4) * MIB),
          apparentBytes: 0.4 * MIB,
          source: 'st_blocks',
        },
      ],
    },
    ...fields,
  });
}

function phasesOf(truth: Truth, firstHitMs: number) {
  const names: Array<[string, number, string]> =
    truth.target === 'bare'
      ? [
          ['process starts', 0.35, 'spawn'],
          ['application listens', 0.6, 'app log'],
          ['first reply', 1, 'probe'],
        ]
      : truth.guest
        ? [
            ['QEMU starts', 0.05, 'spawn'],
            ['kernel boots', 0.38, 'serial console'],
            ['systemd to unit', 0.72, 'guest systemd'],
            ['application listens', 0.97, 'app log'],
            ['first reply', 1, 'probe'],
          ]
        : [
            ['container created', 0.3, 'engine event'],
            ['container started', 0.62, 'engine event'],
            ['application listens', 0.94, 'app log'],
            ['first reply', 1, 'probe'],
          ];
  let startMs = 0;
  return names.map(([name, share, source]) => {
    const phase = { name, startMs, endMs: firstHitMs * share, source };
    startMs = phase.endMs;
    return phase;
  });
}

interface MeasurementParts {
  medianUs: number;
  ratePerSecond: number;
  loop: 'open' | 'closed';
  startedAt: string;
  random: RandomSource;
  options: { durationMs: number; seed: number; bare?: boolean };
}

function measurement(parts: MeasurementParts) {
  const { medianUs, ratePerSecond, loop, startedAt, random, options } = parts;
  const seconds = options.durationMs / 1000;
  const answered = Math.round(ratePerSecond * seconds);
  const response = new Histogram();
  const windows = [];
  // one draw stands for several requests where there are many: the shape is what matters
  const draws = options.bare ? 40 : Math.min(60, Math.max(8, Math.round(ratePerSecond)));
  for (let second = 0; second < seconds; second++) {
    const stall = !options.bare && second === Math.floor(seconds * 0.6) ? 6 : 1;
    const window = new Histogram();
    const perSecond = Math.round((second + 1) * ratePerSecond) - Math.round(second * ratePerSecond);
    for (let i = 0; i < draws; i++) {
      const tail = random() < 0.015 ? 2.5 + 2 * random() : 1;
      const share = Math.round(((i + 1) * perSecond) / draws) - Math.round((i * perSecond) / draws);
      if (share > 0)
        window.record(medianUs * stall * tail * Math.exp(0.18 * normal(random)), share);
    }
    response.merge(window);
    windows.push({
      atMs: second * 1000,
      answered: window.count,
      failed: 0,
      p50Us: window.count === 0 ? null : window.percentile(50),
      p99Us: window.count === 0 ? null : window.percentile(99),
      maxUs: window.count === 0 ? null : window.max,
    });
  }
  const summary = summaryOf(response);
  const small = new Histogram();
  small.record(40, answered);
  return {
    startedAt,
    plan: {
      loop,
      ratePerSecond: loop === 'open' ? ratePerSecond : null,
      arrival: 'constant',
      connections: 16,
      durationMs: options.durationMs,
      warmupMs: 10_000,
      drainMs: 5000,
      timeoutMs: 10_000,
      seed: options.seed,
      scenario: 'index',
      sha256: (loop === 'open' ? 'c' : 'd').repeat(64),
    },
    counts: {
      planned: response.count,
      sent: response.count,
      unsent: 0,
      answered: response.count,
      failed: 0,
      open: 0,
      warmupSent: 250,
      sentOnWire: response.count + 250,
    },
    requestsPerSecond: response.count / seconds,
    bytesPerSecond: (response.count * 5400) / seconds,
    bytes: { received: response.count * 5400, sent: response.count * 90 },
    latencyUs: {
      response: summary,
      service: summary,
      lag: summaryOf(small),
      connect: summaryOf(small),
      ttfb: summary,
      body: summaryOf(small),
    },
    errors: {},
    statuses: { 200: response.count },
    windows,
    generator: {
      cpuMs: 900,
      workers: 1,
      maxLagUs: 300,
      eventLoopUtilization: 0.2,
      peakRssBytes: 9e7,
      clientLimited: false,
      reasons: [],
    },
    limiter: 'none',
    integrity: null,
    interrupted: false,
    warnings: [],
  };
}

function summaryOf(histogram: Histogram) {
  return {
    count: histogram.count,
    mean: histogram.mean,
    median: histogram.percentile(50),
    stddev: histogram.stddev,
    min: histogram.min,
    max: histogram.max,
    p50: histogram.percentile(50),
    p90: histogram.percentile(90),
    p95: histogram.percentile(95),
    p99: histogram.percentile(99),
    p999: histogram.percentile(99.9),
    censored: 0,
    lowerBounds: [],
    histogram: toBase64(histogram),
  };
}

interface ResourceParts {
  truth: Truth;
  workingSet: number;
  cpuMs: number;
  answered: number;
  durationMs: number;
  options: BenchOptions;
  random: RandomSource;
}

function resourcesOf({
  truth,
  workingSet,
  cpuMs,
  answered,
  durationMs,
  options,
  random,
}: ResourceParts) {
  const atStart = 1_000_000;
  const shared = { unavailable: 'loopback is shared' };
  const none = { unavailable: 'there is no guest: the target runs on the host kernel' };
  const reading = (share: number) => {
    const wobble = 1 + 0.02 * normal(random);
    return {
      atMs: atStart + share * durationMs,
      memory: {
        workingSetBytes: workingSet * (0.8 + 0.2 * share) * (share === 1 ? 1 : wobble),
        unreclaimableBytes: workingSet * (0.7 + 0.2 * share),
        pssBytes: { unavailable: 'read only outside of the load' },
        peakBytes: workingSet * 1.3,
        guestUsedBytes: truth.guest ? workingSet * 0.31 : none,
      },
      cpu: {
        totalMs: 500 + cpuMs * share,
        userMs: 300 + cpuMs * share * 0.7,
        systemMs: 200 + cpuMs * share * 0.3,
        throttledMs: 0,
      },
      disk: { readBytes: 0, writtenBytes: 4096 * Math.round(12 * share), readOps: 0, writeOps: 12 },
      network: {
        receivedBytes: truth.target === 'bare' ? shared : 1e6 * share,
        sentBytes: truth.target === 'bare' ? shared : 6e7 * share,
      },
      helpers: [],
      sources: { memory: 'cgroup v1', cpu: 'cpuacct', disk: '/proc/PID/io', network: 'veth' },
    };
  };
  const count = options.bare ? 0 : Math.round(durationMs / 1000);
  return {
    edges: {
      'ready+1s': reading(0),
      windowStart: reading(0),
      windowEnd: reading(1),
    },
    samples: Array.from({ length: count }, (_, i) => reading((i + 0.5) / count)),
    // keys: cli/meters/window-figures.ts
    window: {
      windowMs: durationMs,
      cpuMs,
      cpuMsPer1000Requests: (cpuMs * 1000) / answered,
      diskWrittenBytes: 4096 * 12,
      diskReadBytes: 0,
      networkReceivedBytes: truth.target === 'bare' ? shared : 1e6,
      networkSentBytes: truth.target === 'bare' ? shared : 6e7,
      stealShare: 0.001,
    },
  };
}

/** A load record of its own, made like the latency phase of a trial. */
export function generateLoad(
  truth: Truth,
  options: BenchOptions & { index?: number } = {},
): LoadRecord {
  const { index = 0, durationMs = 20_000, ratePerSecond = 25, seed = 1 } = options;
  const startedAt = new Date(Date.parse('2026-11-24T03:15:00Z') + index * 60_000).toISOString();
  const random = randomSource(seed * 31 + index);
  const trial = makeTrial({
    truth,
    options: { ...options, durationMs, ratePerSecond, seed },
    random,
    drift: 0,
    fields: { id: 'x', benchId: 'x', startedAt, round: 1, slot: 1, label: 'x', voided: null },
  });
  return loadRecordSchema.parse({
    ...trial.latency,
    schemaVersion: 1,
    kind: 'load',
    id: `load-${index}-${truth.target}`,
    startedAt,
    host: trial.host,
    target: trial.target,
    artifact: trial.artifact,
    limits: trial.limits,
    resources: trial.resources,
    warnings: [],
  });
}
