/**
 * What is compared, and how each figure is taken from a record. Primary metrics are the few that
 * the bench was declared to decide; the rest is exploratory and said to be.
 */
import { isUnavailable, unavailable } from '../record/measured.ts';
import type { LoadRecord, StartUp, TrialRecord } from '../record/schema.ts';
import { addResources, addStorage, type Figures } from './resource-figures.ts';
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
  metric('memory-settled', 'Working set, ready + 30 s', 'memory', 'bytes'),
  metric('memory-unreclaimable', 'Unreclaimable memory, end', 'memory', 'bytes'),
  metric('memory-peak', 'Peak as charged', 'memory', 'bytes', { aliases: ['peak'] }),
  metric('memory-pss', 'PSS after the load', 'memory', 'bytes', { aliases: ['pss'] }),
  metric('memory-guest', 'Used inside the guest', 'memory', 'bytes', { aliases: ['guest'] }),
  metric('memory-guest-mean', 'Used in guest, mean', 'memory', 'bytes'),
  metric('memory-overhead', 'Host − guest, mean', 'memory', 'bytes', { hasRatio: false }),
  metric('memory-guest-after', 'Used in guest, after', 'memory', 'bytes'),
  metric('memory-overhead-after', 'Host − guest, after load', 'memory', 'bytes', {
    hasRatio: false,
  }),
  metric('memory-helpers', 'Memory of its helpers', 'memory', 'bytes', { hasRatio: false }),
  metric('cpu-per-1000', 'CPU per 1,000 requests', 'cpu', 'ms-per-1000', {
    role: 'primary',
    aliases: ['cpu'],
  }),
  metric('cpu-user', 'CPU, user', 'cpu', 'ms'),
  metric('cpu-system', 'CPU, system', 'cpu', 'ms'),
  metric('cpu-helpers', 'CPU of its helpers', 'cpu', 'ms', { hasRatio: false }),
  metric('cpu-daemons', 'CPU of shared daemons', 'cpu', 'ms', { hasRatio: false }),
  metric('cpu-throttled', 'Held back by its ceiling', 'cpu', 'ms', {
    aliases: ['throttled'],
    hasRatio: false,
  }),
  metric('host-busy', 'Host busy, all CPUs', 'cpu', 'ms', { hasRatio: false }),
  metric('host-unattributed', 'Host busy, unattributed', 'cpu', 'ms', {
    aliases: ['unattributed', 'balance'],
    hasRatio: false,
  }),
  metric('host-uncertainty', 'Unattributed, within ±', 'cpu', 'ms', { hasRatio: false }),
  metric('host-steal', 'Host, stolen', 'cpu', 'share', { aliases: ['steal'], hasRatio: false }),
  metric('disk-written', 'Disk, written under load', 'disk', 'bytes', {
    aliases: ['disk'],
    hasRatio: false,
  }),
  metric('disk-read', 'Disk, read under load', 'disk', 'bytes', { hasRatio: false }),
  metric('disk-amplification', 'Write amplification', 'disk', 'count', {
    aliases: ['amplification'],
    phrase: 'bytes written per byte of posts',
    hasRatio: false,
  }),
  metric('disk-write-ops', 'Disk, writes under load', 'disk', 'count', { hasRatio: false }),
  metric('disk-read-ops', 'Disk, reads under load', 'disk', 'count', { hasRatio: false }),
  metric('network-payload', 'Network, payload', 'network', 'bytes', { hasRatio: false }),
  metric('network-wire', 'Network, on the wire', 'network', 'bytes', { aliases: ['network'] }),
  metric('network-wire-load', 'Network, wire, all load', 'network', 'bytes'),
  metric('storage-marginal', 'Storage, per instance', 'storage', 'bytes', {
    aliases: ['storage'],
  }),
  metric('storage-marginal-apparent', 'Per instance, apparent', 'storage', 'bytes'),
  metric('storage-shared', 'Storage, shared base', 'storage', 'bytes'),
  metric('storage-shared-apparent', 'Shared base, apparent', 'storage', 'bytes'),
];

export function findMetric(name: string): MetricDefinition | undefined {
  const wanted = name.toLowerCase();
  return METRICS.find(({ id, aliases }) => id === wanted || aliases.includes(wanted));
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
  if (startUp.memorySettled) {
    figures.values.set('memory-settled', startUp.memorySettled.workingSetBytes);
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
  if (measurement.generator.clientLimited || measurement['limiter'] === 'generator') {
    lowerBounds.add('throughput');
  }
}
