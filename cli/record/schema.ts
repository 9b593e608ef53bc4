/**
 * The records' schema, version 1: what stages share and all that they share. Field names carry
 * their unit. A figure that could not be had is `{ unavailable: why }`. Unknown fields are kept.
 */
import { z } from 'zod';

export const SCHEMA_VERSION = 1;

const measured = <T extends z.ZodType>(value: T) =>
  z.union([value, z.object({ unavailable: z.string() })]);
const count = z.number().int().nonnegative();
const measuredNumber = measured(z.number());

export const limitsSchema = z.looseObject({
  profile: z.enum(['equal', 'classic', 'custom']),
  cpus: z.number().positive(),
  memoryBytes: z.number().positive(),
});

export const targetSchema = z.looseObject({
  name: z.string(),
  provider: z.string().nullable(),
  url: z.string(),
  path: z.string(),
  /** 'tcg' means emulated: shown wherever the figures are. */
  acceleration: z.string().nullable().optional(),
  runtime: z.string().nullable().optional(),
});

export const artifactSchema = z.looseObject({
  sha256: measured(z.string()),
  runtime: measured(z.string()),
  runtimeVersion: measured(z.string()),
  runtimeSha256: measured(z.string()),
  /** True where the hashes were read inside the target. */
  verifiedInTarget: z.boolean(),
  /** How it was verified: hashed inside by this deployment, or earlier from the same disks. */
  verifiedBy: z.string().optional(),
  /** SQLite's level: what a commit survives. Missing in records from before it was asked. */
  synchronous: z.enum(['normal', 'full']).optional(),
});

/** The machine: see record/environment.ts. `fingerprint` hashes what makes figures comparable. */
export const hostSchema = z.looseObject({
  fingerprint: z.string(),
  summary: z.string(),
  cpuModel: measured(z.string()),
  cpus: z.number(),
  memoryBytes: z.number(),
  kernel: z.string(),
  os: z.string(),
});

export const latencySchema = z.looseObject({
  count,
  mean: z.number(),
  median: z.number(),
  stddev: z.number(),
  min: z.number(),
  max: z.number(),
  p50: z.number(),
  p90: z.number(),
  p95: z.number(),
  p99: z.number(),
  p999: z.number(),
  censored: count,
  lowerBounds: z.array(z.string()).optional(),
  histogram: z.string(),
});

export const loadPlanSchema = z.looseObject({
  loop: z.enum(['open', 'closed']),
  ratePerSecond: z.number().nullable(),
  connections: count,
  durationMs: z.number(),
  warmupMs: z.number(),
  seed: z.number(),
  sha256: z.string(),
});

const countsSchema = z
  .looseObject({
    planned: count,
    sent: count,
    unsent: count,
    answered: count,
    failed: count,
    open: count,
    answeredInWindow: count.optional(),
  })
  .refine((c) => c.planned === c.sent + c.unsent, 'counts: planned must be sent + unsent')
  .refine(
    (c) => c.sent === c.answered + c.failed + c.open,
    'counts: sent must be answered + failed + open',
  );

/** The measurement part of a load record: LoadMeasurement of load/types.ts. */
export const loadMeasurementSchema = z.looseObject({
  startedAt: z.string(),
  plan: loadPlanSchema,
  counts: countsSchema,
  requestsPerSecond: z.number(),
  bytesPerSecond: z.number(),
  latencyUs: z.looseObject({
    response: latencySchema,
    service: latencySchema,
    lag: latencySchema,
    ttfb: latencySchema,
  }),
  errors: z.record(z.string(), count),
  windows: z.array(
    z.looseObject({
      atMs: z.number(),
      answered: count,
      failed: count,
      p50Us: z.number().nullable(),
      p99Us: z.number().nullable(),
    }),
  ),
  generator: z.looseObject({
    cpuMs: z.number(),
    workers: count,
    maxLagUs: z.number(),
    clientLimited: z.boolean(),
    reasons: z.array(z.string()),
  }),
  interrupted: z.boolean(),
  warnings: z.array(z.string()),
});

const meterReadingSchema = z.looseObject({
  atMs: z.number(),
  memory: z.record(z.string(), measuredNumber),
  cpu: z.record(z.string(), measuredNumber),
  disk: z.record(z.string(), measuredNumber),
  network: z.record(z.string(), measuredNumber),
  sources: z.record(z.string(), z.string()),
});

/** What a target used: readings at the edges, and one sample a second between. */
export const resourcesSchema = z.looseObject({
  edges: z.record(z.string(), measured(meterReadingSchema)),
  samples: z.array(meterReadingSchema),
  /** Differences over the measured window, per 1,000 answered requests where it says so. */
  window: z.record(z.string(), measuredNumber),
});

const base = {
  schemaVersion: z.literal(SCHEMA_VERSION),
  id: z.string(),
  startedAt: z.string(),
  host: hostSchema,
  warnings: z.array(z.string()),
};

export const loadRecordSchema = loadMeasurementSchema.extend({
  ...base,
  kind: z.literal('load'),
  target: targetSchema,
  artifact: artifactSchema.nullable().optional(),
  limits: limitsSchema.nullable().optional(),
  resources: measured(resourcesSchema).optional(),
  /** The server's own count of handled requests against ours. */
  reconciliation: measured(
    z.looseObject({ sentOnWire: count, serverHandled: count, difference: z.number().int() }),
  ).optional(),
  thresholds: z
    .array(z.looseObject({ expression: z.string(), actual: measuredNumber, passed: z.boolean() }))
    .optional(),
});

/** One start-up trial: readiness as an interval in ms since t0. */
export const startUpSchema = z.looseObject({
  mode: z.enum(['warm', 'restart', 'cold']),
  /** null: the first poll already hit. */
  lastMissMs: z.number().nullable(),
  firstHitMs: z.number(),
  polls: count,
  phases: z.array(
    z.looseObject({
      name: z.string(),
      startMs: z.number(),
      endMs: z.number(),
      source: z.string(),
    }),
  ),
  memoryAtReady: z.looseObject({ workingSetBytes: measuredNumber }).optional(),
  /** 30 s after the first valid reply, where that was waited for. */
  memorySettled: z.looseObject({ workingSetBytes: measuredNumber }).optional(),
  prepareMs: z.number().optional(),
  shutdownMs: measuredNumber.optional(),
});

const summarySchema = z.looseObject({
  n: count,
  mean: z.number(),
  median: z.number(),
  p95: z.number(),
  stddev: measuredNumber,
  min: z.number(),
  max: z.number(),
});

export const pathTrialSchema = z.looseObject({
  round: count,
  slot: count,
  startUp: startUpSchema,
  /** Open loop at the rate that all paths share. */
  latency: loadMeasurementSchema,
  /** Closed loop at full speed, for throughput. */
  saturation: loadMeasurementSchema,
  resources: measured(resourcesSchema),
});

/** `probe --paths`: one path to the target, and what it costs. */
export const pathCostSchema = z.looseObject({
  path: z.string(),
  /** Least CPU per 1,000 requests of all, by the median: what the ratios are formed against. */
  cheapest: z.boolean(),
  /** Each a fresh deployment. */
  trials: z.array(pathTrialSchema),
  /**
   * By figure, over the trials: how many of the values are only lower bounds, and how many are void
   * because the generator was the limit.
   */
  figures: z.record(
    z.string(),
    z.looseObject({ summary: measured(summarySchema), atLeast: count, void: count }),
  ),
  /** By figure: this path ÷ the cheapest, round by round. Empty for the cheapest. */
  ratios: z.record(
    z.string(),
    z.looseObject({
      ratio: measuredNumber,
      interval95: z.tuple([z.number(), z.number()]).nullable(),
      n: count,
      /** Why nothing is concluded; null where something may be. */
      reason: z.string().nullable(),
    }),
  ),
});

export const probeRecordSchema = z.looseObject({
  ...base,
  kind: z.literal('probe'),
  target: targetSchema,
  artifact: artifactSchema.nullable(),
  limits: limitsSchema.nullable(),
  /** Through `target.path`. */
  trials: z.array(startUpSchema),
  summary: z.looseObject({ firstValidReplyMs: measured(summarySchema) }),
  /** `--paths`: every path that the target offers, the default first. */
  paths: z.array(pathCostSchema).optional(),
  pathPlan: z
    .looseObject({
      ratePerSecond: z.number(),
      rounds: count,
      durationMs: z.number(),
      saturationMs: z.number(),
      warmupMs: z.number(),
      seed: z.number(),
      /** Paths by round, in the order they ran. */
      schedule: z.array(z.array(z.string())),
    })
    .optional(),
  interrupted: z.boolean(),
});

/** One fresh deploy → probe → load → tear down: the unit of replication. */
export const trialRecordSchema = z.looseObject({
  ...base,
  kind: z.literal('trial'),
  benchId: z.string(),
  round: count,
  slot: count,
  /** How compare calls it: 'bare', 'docker', and 'bare#2' for the A/A control. */
  label: z.string(),
  /** Of a quick bench: nothing is inferred from it. */
  quick: z.boolean().optional(),
  target: targetSchema,
  artifact: artifactSchema.nullable(),
  limits: limitsSchema,
  startUp: startUpSchema,
  /** Open loop at the bench's common rate. */
  latency: loadMeasurementSchema,
  /** Closed loop at full speed, for throughput. */
  saturation: measured(loadMeasurementSchema),
  resources: measured(resourcesSchema),
  storage: measured(z.looseObject({ parts: z.array(z.looseObject({ name: z.string() })) })),
  /** Why the trial's round does not count; null: it counts. */
  voided: z.string().nullable(),
});

export const benchRecordSchema = z.looseObject({
  ...base,
  kind: z.literal('bench'),
  seed: z.number(),
  quick: z.boolean(),
  roundsPlanned: count,
  roundsDone: count,
  targets: z.array(z.string()),
  plan: z.looseObject({
    /** null: declared, and interrupted before its calibration was over. */
    ratePerSecond: z.number().nullable(),
    durationMs: z.number(),
    saturationMs: z.number(),
    warmupMs: z.number(),
    limits: limitsSchema,
  }),
  /** Labels by round, in the order they ran. */
  schedule: z.array(z.array(z.string())),
  /** File names beside bench.json, in the order they ran, voided ones included. */
  trials: z.array(z.string()),
  voidedRounds: z.array(z.looseObject({ round: count, reason: z.string() })),
  /** Targets that this host could not measure, and why. */
  unavailableTargets: z.array(z.looseObject({ target: z.string(), reason: z.string() })),
  interrupted: z.boolean(),
});

export const recordSchema = z.discriminatedUnion('kind', [
  loadRecordSchema,
  probeRecordSchema,
  trialRecordSchema,
  benchRecordSchema,
]);

export type LoadRecord = z.infer<typeof loadRecordSchema>;
export type ProbeRecord = z.infer<typeof probeRecordSchema>;
export type TrialRecord = z.infer<typeof trialRecordSchema>;
export type BenchRecord = z.infer<typeof benchRecordSchema>;
export type PathCost = z.infer<typeof pathCostSchema>;
export type StartUp = z.infer<typeof startUpSchema>;
export type HostRecord = z.infer<typeof hostSchema>;
export type Resources = z.infer<typeof resourcesSchema>;
export type AnyRecord = z.infer<typeof recordSchema>;
