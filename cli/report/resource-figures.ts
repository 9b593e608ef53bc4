/** What a target used, from a record's resources and storage, by metric id. */
import { combine, isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { Resources, TrialRecord } from '../record/schema.ts';

/** One trial's figures by metric id. Absent: the record is not of a kind that has it. */
export interface Figures {
  values: Map<string, Measured<number>>;
  /** Metric ids whose value is "at least": the percentile falls among requests without an answer. */
  lowerBounds: Set<string>;
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

function sum(...parts: Array<Measured<number>>): Measured<number> {
  return combine(parts, (a, b) => a + b);
}

export function addResources({ values }: Figures, resources: Measured<Resources>): void {
  const ids = [
    'memory-ready',
    'memory-end',
    'memory-unreclaimable',
    'memory-peak',
    'memory-guest',
    'cpu-per-1000',
    'host-unattributed',
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
  if (known.edges['ready+30s'] !== undefined) {
    values.set('memory-settled', figure(edge(known, 'ready+30s'), 'memory', 'workingSetBytes'));
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
  addWindowRows(values, known);
  values.set('disk-written', window('diskWrittenBytes'));
  values.set('disk-read', window('diskReadBytes'));
  values.set('network-wire', sum(window('networkReceivedBytes'), window('networkSentBytes')));
}

/** Rows that are a figure of the window as it stands; in records that do not have it, no row. */
const WINDOW_ROWS: ReadonlyArray<[id: string, key: string]> = [
  ['memory-pss', 'pssBytes'],
  ['memory-guest-mean', 'guestUsedMeanBytes'],
  ['memory-overhead', 'guestOverheadMeanBytes'],
  ['memory-guest-after', 'guestUsedAfterBytes'],
  ['memory-overhead-after', 'guestOverheadAfterBytes'],
  ['memory-helpers', 'helpersMemoryBytes'],
  ['cpu-user', 'cpuUserMs'],
  ['cpu-system', 'cpuSystemMs'],
  ['cpu-helpers', 'helpersCpuMs'],
  ['cpu-daemons', 'daemonsCpuMs'],
  ['cpu-throttled', 'throttledMs'],
  ['host-busy', 'hostBusyMs'],
  ['host-unattributed', 'hostUnattributedMs'],
  ['host-uncertainty', 'hostBalanceUncertaintyMs'],
  ['host-steal', 'stealShare'],
  ['disk-amplification', 'diskWrittenBytesPerPostByte'],
  ['disk-write-ops', 'diskWriteOps'],
  ['disk-read-ops', 'diskReadOps'],
];

function addWindowRows(values: Figures['values'], { window }: Resources): void {
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
  for (const [id, into, out] of [
    ['network-payload', 'networkPayloadReceivedBytes', 'networkPayloadSentBytes'],
    ['network-wire-load', 'networkLoadReceivedBytes', 'networkLoadSentBytes'],
  ] as const) {
    const [received, sent] = [window[into], window[out]] as Array<Measured<number> | undefined>;
    if (received === undefined || sent === undefined) continue;
    values.set(id, sum(received, sent));
  }
}

interface StoragePart {
  kind?: unknown;
  allocatedBytes?: Measured<number>;
  apparentBytes?: Measured<number>;
}

/** Sums of the parts of one kind: what the disk gave for them, and what their files say they hold. */
export function addStorage({ values }: Figures, storage: TrialRecord['storage']): void {
  for (const kind of ['marginal', 'shared'] as const) {
    for (const [id, size] of [
      [`storage-${kind}`, 'allocatedBytes'],
      [`storage-${kind}-apparent`, 'apparentBytes'],
    ] as const) {
      values.set(id, isUnavailable(storage) ? storage : sumOfParts(storage, kind, size));
    }
  }
}

function sumOfParts(
  storage: object,
  kind: 'marginal' | 'shared',
  size: 'allocatedBytes' | 'apparentBytes',
): Measured<number> {
  const parts = ((storage as { parts?: StoragePart[] }).parts ?? []).filter(
    (part) => part.kind === kind,
  );
  if (parts.length === 0) return unavailable(`no ${kind} part`);
  return parts.reduce<Measured<number>>(
    (total, part) => sum(total, part[size] ?? unavailable('not read')),
    0,
  );
}
