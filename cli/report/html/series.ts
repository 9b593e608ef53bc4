/** What the pictures show, taken from the raw records: one entry per subject, trials that count. */
import { fromBase64 } from '../../load/histogram-export.ts';
import { isUnavailable } from '../../record/measured.ts';
import type { AnyRecord, Resources, StartUp, TrialRecord } from '../../record/schema.ts';
import { Histogram } from '../../stats/histogram.ts';
import type { Comparison, Subject } from '../model.ts';

type Measurement = TrialRecord['latency'];

export interface TrialSeries {
  name: string;
  load: Measurement | null;
  startUps: StartUp[];
  resources: Resources | null;
}

export interface SubjectSeries {
  subject: Subject;
  index: number;
  trials: TrialSeries[];
  /** Response latencies of all trials, merged; null where no histogram could be read. */
  latency: Histogram | null;
  histograms: number;
}

export function seriesOf(comparison: Comparison): SubjectSeries[] {
  const records = new Map<string, AnyRecord>();
  for (const [side, list] of Object.entries(comparison.sources)) {
    for (const record of list) records.set(`${side} ${record.kind} ${record.id}`, record);
  }
  return comparison.subjects.map((subject, index) => {
    const seen = new Set<string>();
    const trials = comparison.trials.flatMap((row): TrialSeries[] => {
      const name = row.side === 'baseline' ? `${row.label} (baseline)` : row.label;
      if (row.excluded !== null || name !== subject.label) return [];
      const kind = row.kind === 'start-up' ? 'probe' : row.kind;
      const key = `${row.side} ${kind} ${row.recordId}`;
      const record = records.get(key);
      if (record === undefined || seen.has(key)) return [];
      seen.add(key);
      return [trialSeries(record, row.round === null ? row.recordId : `round ${row.round}`)];
    });
    const histograms = trials.flatMap(({ load }) => {
      const histogram = load === null ? null : decode(load.latencyUs.response.histogram);
      return histogram === null ? [] : [histogram];
    });
    const latency =
      histograms.length === 0
        ? null
        : histograms.reduce((sum, each) => sum.merge(each), new Histogram());
    return { subject, index, trials, latency, histograms: histograms.length };
  });
}

function trialSeries(record: AnyRecord, name: string): TrialSeries {
  const known = (resources: unknown): Resources | null =>
    resources === undefined || isUnavailable(resources) ? null : (resources as Resources);
  switch (record.kind) {
    case 'trial':
      return {
        name,
        load: record.latency,
        startUps: [record.startUp],
        resources: known(record.resources),
      };
    case 'load':
      return { name, load: record, startUps: [], resources: known(record.resources) };
    case 'probe':
      return { name, load: null, startUps: record.trials, resources: null };
    case 'bench':
      return { name, load: null, startUps: [], resources: null };
  }
}

function decode(base64: string): Histogram | null {
  try {
    return fromBase64(base64);
  } catch {
    // a record of another tool may carry none: the picture then says that it has no data
    return null;
  }
}

/** Where the measured window of a trial begins on the clock of its samples, in ms. */
function windowStart(resources: Resources): number | null {
  const edge = resources.edges['windowStart'];
  if (edge !== undefined && !isUnavailable(edge)) return (edge as { atMs: number }).atMs;
  return resources.samples[0]?.atMs ?? null;
}

export interface Point {
  second: number;
  value: number;
}

/** By second of the measured window. */
export function perSecond(
  { load, resources }: TrialSeries,
  what: 'answered' | 'p99Us' | 'cpuShare' | 'workingSetBytes',
): Point[] {
  if (what === 'answered' || what === 'p99Us') {
    return (load?.windows ?? []).flatMap((window) => {
      const value = window[what];
      const second = window.atMs / 1000;
      return value === null || second * 1000 >= (load?.plan.durationMs ?? 0)
        ? []
        : [{ second, value }];
    });
  }
  if (resources === null) return [];
  const start = windowStart(resources);
  if (start === null) return [];
  return resources.samples.flatMap((sample, i): Point[] => {
    const second = Math.round((sample.atMs - start) / 1000);
    if (second < 0) return [];
    if (what === 'workingSetBytes') {
      const value = sample.memory['workingSetBytes'];
      return typeof value === 'number' ? [{ second, value }] : [];
    }
    const previous = resources.samples[i - 1];
    const [now, before] = [sample.cpu['totalMs'], previous?.cpu['totalMs']];
    if (previous === undefined || typeof now !== 'number' || typeof before !== 'number') return [];
    const elapsed = sample.atMs - previous.atMs;
    return elapsed <= 0 ? [] : [{ second, value: (now - before) / elapsed }];
  });
}
