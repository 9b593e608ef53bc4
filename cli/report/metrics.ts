/**
 * What is compared, and how each figure is taken from a record. Primary metrics are the few that
 * the bench was declared to decide; the rest is exploratory and said to be.
 */
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { LoadRecord, Resources, StartUp, TrialRecord } from '../record/schema.ts';
import type { Unit } from './units.ts';

export type MetricGroup =
  | 'start-up'
  | 'latency'
  | 'throughput'
  | 'errors'
  | 'memory'
  | 'cpu'
  | 'disk'
  | 'network'
  | 'storage';

export interface MetricDefinition {
  /** Stable: used in JSON, CSV and `--fail-if`. */
  id: string;
  /** Other names that `--fail-if` takes. */
  aliases: string[];
  name: string;
  /** The name inside a sentence. */
  phrase: string;
  group: MetricGroup;
  unit: Unit;
  better: 'lower' | 'higher';
  role: 'primary' | 'exploratory';
  /** False where zero is a usual value, so that there is no ratio to form. */
  hasRatio: boolean;
}

function metric(
  id: string,
  name: string,
  group: MetricGroup,
  unit: Unit,
  options: Partial<Omit<MetricDefinition, 'id' | 'name' | 'group' | 'unit'>> = {},
): MetricDefinition {
  return {
    id,
    name,
    phrase: name.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()),
    group,
    unit,
    aliases: [],
    better: 'lower',
    role: 'exploratory',
    hasRatio: true,
    ...options,
  };
}

export const METRICS: readonly MetricDefinition[] = [
  metric('start-up', 'First valid reply', 'start-up', 'ms', {
    role: 'primary',
    phrase: 'time to the first valid reply',
    aliases: ['startup', 'start', 'first-reply'],
  }),
  metric('start-up-last-miss', 'Last poll without a reply', 'start-up', 'ms', {
    hasRatio: false,
  }),
  metric('shutdown', 'Stop until gone', 'start-up', 'ms', { aliases: ['stop'] }),
  metric('latency-mean', 'Latency, mean', 'latency', 'us', { aliases: ['mean', 'average'] }),
  metric('latency-median', 'Latency, median', 'latency', 'us', { aliases: ['median', 'p50'] }),
  metric('latency-p95', 'Latency, p95', 'latency', 'us', { aliases: ['p95'] }),
  metric('latency-p99', 'Latency, p99', 'latency', 'us', {
    role: 'primary',
    phrase: 'p99 latency',
    aliases: ['p99'],
  }),
  metric('latency-p999', 'Latency, p99.9', 'latency', 'us', { aliases: ['p999', 'p99.9'] }),
  metric('latency-stddev', 'Latency, std deviation', 'latency', 'us', { aliases: ['stddev'] }),
  metric('latency-min', 'Latency, least', 'latency', 'us', { aliases: ['min'] }),
  metric('latency-max', 'Latency, greatest', 'latency', 'us', { aliases: ['max'] }),
  metric('throughput', 'Throughput at saturation', 'throughput', 'per-second', {
    role: 'primary',
    better: 'higher',
    aliases: ['rps', 'requests-per-second', 'saturation'],
  }),
  metric('delivered', 'Answered at offered rate', 'throughput', 'per-second', {
    better: 'higher',
    aliases: ['rate'],
  }),
  metric('errors', 'Failed requests', 'errors', 'share', {
    aliases: ['error-rate'],
    hasRatio: false,
  }),
  metric('unanswered', 'Unsent or unanswered', 'errors', 'share', { hasRatio: false }),
  metric('memory-end', 'Working set, end of load', 'memory', 'bytes', {
    role: 'primary',
    phrase: 'memory at the end of the load',
    aliases: ['memory', 'working-set'],
  }),
  metric('memory-ready', 'Working set, ready + 1 s', 'memory', 'bytes'),
  metric('memory-unreclaimable', 'Unreclaimable memory, end', 'memory', 'bytes'),
  metric('memory-peak', 'Peak as charged', 'memory', 'bytes', { aliases: ['peak'] }),
  metric('memory-pss', 'PSS after the load', 'memory', 'bytes', { aliases: ['pss'] }),
  metric('memory-guest', 'Used inside the guest', 'memory', 'bytes', { aliases: ['guest'] }),
  metric('memory-overhead', 'Host − guest, mean', 'memory', 'bytes', { hasRatio: false }),
  metric('cpu-per-1000', 'CPU per 1,000 requests', 'cpu', 'ms-per-1000', {
    role: 'primary',
    aliases: ['cpu'],
  }),
  metric('cpu-user', 'CPU, user', 'cpu', 'ms'),
  metric('cpu-system', 'CPU, system', 'cpu', 'ms'),
  metric('cpu-helpers', 'CPU of its helpers', 'cpu', 'ms', { hasRatio: false }),
  metric('cpu-daemons', 'CPU of shared daemons', 'cpu', 'ms', { hasRatio: false }),
  metric('cpu-throttled', 'Held back by its ceiling', 'cpu', 'ms', { hasRatio: false }),
  metric('disk-written', 'Disk, written under load', 'disk', 'bytes', {
    aliases: ['disk'],
    hasRatio: false,
  }),
  metric('disk-read', 'Disk, read under load', 'disk', 'bytes', { hasRatio: false }),
  metric('disk-amplification', 'Disk, per byte of posts', 'disk', 'count', { hasRatio: false }),
  metric('disk-write-ops', 'Disk, writes under load', 'disk', 'count', { hasRatio: false }),
  metric('disk-read-ops', 'Disk, reads under load', 'disk', 'count', { hasRatio: false }),
  metric('network-payload', 'Network, payload', 'network', 'bytes', { hasRatio: false }),
  metric('network-wire', 'Network, on the wire', 'network', 'bytes', { aliases: ['network'] }),
  metric('storage-marginal', 'Storage, per instance', 'storage', 'bytes', {
    aliases: ['storage'],
  }),
  metric('storage-shared', 'Storage, shared base', 'storage', 'bytes'),
];

export function findMetric(name: string): MetricDefinition | undefined {
  const wanted = name.toLowerCase();
  return METRICS.find(({ id, aliases }) => id === wanted || aliases.includes(wanted));
}

/** One trial's figures by metric id. Absent: the record is not of a kind that has it. */
export interface Figures {
  values: Map<string, Measured<number>>;
  /** Metric ids whose value is "at least": the percentile falls among requests without an answer. */
  lowerBounds: Set<string>;
}

type Measurement = TrialRecord['latency'];

function emptyFigures(): Figures {
  return { values: new Map(), lowerBounds: new Set() };
}

export function figuresOfTrial(trial: TrialRecord): Figures {
  const figures = emptyFigures();
  addStartUp(figures, trial.startUp);
  addLatency(figures, trial.latency);
  figures.values.set('delivered', trial.latency.requestsPerSecond);
  addSaturation(figures, trial.saturation);
  addResources(figures, trial.resources);
  if (!figures.values.has('memory-ready') && trial.startUp.memoryAtReady) {
    figures.values.set('memory-ready', trial.startUp.memoryAtReady.workingSetBytes);
  }
  addStorage(figures, trial.storage);
  return figures;
}

export function figuresOfLoad(load: LoadRecord): Figures {
  const figures = emptyFigures();
  addLatency(figures, load);
  figures.values.set(
    load.plan.loop === 'closed' ? 'throughput' : 'delivered',
    load.requestsPerSecond,
  );
  if (load.resources !== undefined) addResources(figures, load.resources);
  return figures;
}

export function figuresOfStartUp(startUp: StartUp): Figures {
  const figures = emptyFigures();
  addStartUp(figures, startUp);
  if (startUp.memoryAtReady) {
    figures.values.set('memory-ready', startUp.memoryAtReady.workingSetBytes);
  }
  return figures;
}

function addStartUp({ values }: Figures, startUp: StartUp): void {
  // readiness is known as an interval: after the last miss, not after the first hit
  values.set('start-up', startUp.firstHitMs);
  values.set(
    'start-up-last-miss',
    startUp.lastMissMs ?? unavailable('the first poll was answered'),
  );
  if (startUp.shutdownMs !== undefined) values.set('shutdown', startUp.shutdownMs);
}

const PERCENTILES = ['p50', 'p95', 'p99', 'p999'] as const;

function addLatency({ values, lowerBounds }: Figures, measurement: Measurement): void {
  const { response } = measurement.latencyUs;
  const { planned, sent, unsent, failed, open } = measurement.counts;
  if (response.count === 0) {
    const none = unavailable('no request was answered');
    for (const each of ['mean', 'median', 'p95', 'p99', 'p999', 'stddev', 'min', 'max']) {
      values.set(`latency-${each}`, none);
    }
  } else {
    values.set('latency-mean', response.mean);
    values.set('latency-median', response.median);
    values.set('latency-p95', response.p95);
    values.set('latency-p99', response.p99);
    values.set('latency-p999', response.p999);
    values.set('latency-stddev', response.stddev);
    values.set('latency-min', response.min);
    values.set('latency-max', response.max);
    for (const percentile of PERCENTILES) {
      if (!(response.lowerBounds ?? []).includes(percentile)) continue;
      lowerBounds.add(percentile === 'p50' ? 'latency-median' : `latency-${percentile}`);
    }
    if (response.censored > 0) {
      lowerBounds.add('latency-mean');
      lowerBounds.add('latency-max');
    }
  }
  values.set('errors', sent === 0 ? unavailable('no request was sent') : failed / sent);
  values.set(
    'unanswered',
    planned === 0 ? unavailable('no request was planned') : (unsent + open) / planned,
  );
}

function addSaturation({ values, lowerBounds }: Figures, saturation: TrialRecord['saturation']) {
  if (isUnavailable(saturation)) {
    values.set('throughput', saturation);
    return;
  }
  const measurement = saturation as Measurement;
  values.set('throughput', measurement.requestsPerSecond);
  // the target could have done more than the generator asked of it
  if (measurement.generator.clientLimited) lowerBounds.add('throughput');
}

type Reading = Extract<Resources['edges'][string], { memory: unknown }>;

function edge(resources: Resources, name: string): Measured<Reading> {
  const reading = resources.edges[name];
  if (reading === undefined) return unavailable(`no reading at ${name}`);
  return reading as Measured<Reading>;
}

function figure(
  reading: Measured<Reading>,
  group: 'memory' | 'cpu' | 'disk' | 'network',
  name: string,
): Measured<number> {
  if (isUnavailable(reading)) return reading;
  return (reading as Reading)[group][name] ?? unavailable(`${group}.${name} was not read`);
}

/** What both together say; the first reason where one of them could not be had. */
function combine(
  a: Measured<number>,
  b: Measured<number>,
  join: (a: number, b: number) => number,
): Measured<number> {
  if (isUnavailable(a)) return a;
  if (isUnavailable(b)) return b;
  return join(a as number, b as number);
}

function addResources({ values, lowerBounds }: Figures, resources: Measured<Resources>): void {
  const ids = [
    'memory-ready',
    'memory-end',
    'memory-unreclaimable',
    'memory-peak',
    'memory-guest',
    'cpu-per-1000',
    'disk-written',
    'disk-read',
    'network-wire',
  ];
  if (isUnavailable(resources)) {
    for (const id of ids) values.set(id, resources);
    return;
  }
  const known = resources as Resources;
  const end = edge(known, 'windowEnd');
  // What the window cost was computed where it was read: cli/meters/window-figures.ts.
  const window = (key: string): Measured<number> =>
    (known.window[key] as Measured<number> | undefined) ?? unavailable(`no figure ${key}`);
  if (known.edges['ready+1s'] !== undefined) {
    values.set('memory-ready', figure(edge(known, 'ready+1s'), 'memory', 'workingSetBytes'));
  }
  values.set('memory-end', figure(end, 'memory', 'workingSetBytes'));
  values.set('memory-unreclaimable', figure(end, 'memory', 'unreclaimableBytes'));
  values.set('memory-peak', figure(end, 'memory', 'peakBytes'));
  const guest = figure(end, 'memory', 'guestUsedBytes');
  // without a guest the figure does not exist, which is not the same as not being had
  if (!isUnavailable(guest) || !/no guest/.test(guest.unavailable)) {
    values.set('memory-guest', guest);
  }
  values.set('cpu-per-1000', window('cpuMsPer1000Requests'));
  addWindowRows({ values, lowerBounds }, known);
  values.set('disk-written', window('diskWrittenBytes'));
  values.set('disk-read', window('diskReadBytes'));
  values.set(
    'network-wire',
    combine(
      window('networkReceivedBytes'),
      window('networkSentBytes'),
      (received, sent) => received + sent,
    ),
  );
}

/** Rows that are a figure of the window as it stands; in records that do not have it, no row. */
const WINDOW_ROWS: ReadonlyArray<[id: string, key: string]> = [
  ['memory-pss', 'pssBytes'],
  ['memory-overhead', 'guestOverheadMeanBytes'],
  ['cpu-user', 'cpuUserMs'],
  ['cpu-system', 'cpuSystemMs'],
  ['cpu-helpers', 'helpersCpuMs'],
  ['cpu-daemons', 'daemonsCpuMs'],
  ['cpu-throttled', 'throttledMs'],
  ['disk-amplification', 'diskWrittenBytesPerPostByte'],
  ['disk-write-ops', 'diskWriteOps'],
  ['disk-read-ops', 'diskReadOps'],
];

function addWindowRows({ values }: Figures, { window }: Resources): void {
  for (const [id, key] of WINDOW_ROWS) {
    const value = window[key] as Measured<number> | undefined;
    // without a guest the figure does not exist, which is not the same as not being had
    if (
      value === undefined ||
      (isUnavailable(value) && /no guest|posted nothing/.test(value.unavailable))
    )
      continue;
    values.set(id, value);
  }
  const { networkPayloadReceivedBytes: into, networkPayloadSentBytes: out } = window;
  if (into !== undefined && out !== undefined) {
    values.set(
      'network-payload',
      combine(into, out, (a, b) => a + b),
    );
  }
}

interface StoragePart {
  kind?: unknown;
  allocatedBytes?: Measured<number>;
}

function addStorage({ values }: Figures, storage: TrialRecord['storage']): void {
  for (const kind of ['marginal', 'shared'] as const) {
    const id = `storage-${kind}`;
    if (isUnavailable(storage)) {
      values.set(id, storage);
      continue;
    }
    const parts = ((storage as { parts: StoragePart[] }).parts ?? []).filter(
      (part) => part.kind === kind,
    );
    const sum = parts.reduce<Measured<number>>(
      (total, part) =>
        combine(total, part.allocatedBytes ?? unavailable('not read'), (a, b) => a + b),
      0,
    );
    values.set(id, parts.length === 0 ? unavailable(`no ${kind} part`) : sum);
  }
}
