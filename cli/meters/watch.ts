/** The live figures of what is deployed: rates between two readings, as a table that is redrawn. */
import { setTimeout as sleep } from 'node:timers/promises';
import { combine, isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { Meter, MeterReading } from './meter.ts';

export interface Watched {
  /** As it is called in the table, e.g. `docker`. */
  name: string;
  url: string;
  meter: Meter;
}

/** What one deployment did between two readings; per second where it says so. */
export interface WatchRow {
  name: string;
  url: string;
  /** 1 is one CPU kept busy. */
  cpuShare: Measured<number>;
  throttledShare: Measured<number>;
  workingSetBytes: Measured<number>;
  guestUsedBytes: Measured<number>;
  diskReadBytesPerSecond: Measured<number>;
  diskWrittenBytesPerSecond: Measured<number>;
  networkReceivedBytesPerSecond: Measured<number>;
  networkSentBytesPerSecond: Measured<number>;
}

export function watchRow(
  { name, url }: { name: string; url: string },
  before: MeterReading,
  now: MeterReading,
): WatchRow {
  const elapsedMs = now.atMs - before.atMs;
  const share = (of: (reading: MeterReading) => Measured<number>) =>
    combine([of(before), of(now)], (a, b) => (b - a) / elapsedMs);
  const perSecond = (of: (reading: MeterReading) => Measured<number>) =>
    combine([share(of)], (perMs) => perMs * 1000);
  return {
    name,
    url,
    cpuShare: share((r) => r.cpu.totalMs),
    throttledShare: share((r) => r.cpu.throttledMs),
    workingSetBytes: now.memory.workingSetBytes,
    guestUsedBytes: now.memory.guestUsedBytes,
    diskReadBytesPerSecond: perSecond((r) => r.disk.readBytes),
    diskWrittenBytesPerSecond: perSecond((r) => r.disk.writtenBytes),
    networkReceivedBytesPerSecond: perSecond((r) => r.network.receivedBytes),
    networkSentBytesPerSecond: perSecond((r) => r.network.sentBytes),
  };
}

const NONE = '–';

const COLUMNS: Array<[title: string, of: (row: WatchRow) => string]> = [
  ['target', (row) => row.name],
  ['CPU', (row) => percent(row.cpuShare)],
  ['throttled', (row) => percent(row.throttledShare)],
  ['memory', (row) => bytes(row.workingSetBytes)],
  ['in guest', (row) => bytes(row.guestUsedBytes)],
  ['disk r/s', (row) => bytes(row.diskReadBytesPerSecond)],
  ['disk w/s', (row) => bytes(row.diskWrittenBytesPerSecond)],
  ['net in/s', (row) => bytes(row.networkReceivedBytesPerSecond)],
  ['net out/s', (row) => bytes(row.networkSentBytesPerSecond)],
  ['url', (row) => row.url],
];

/**
 * The rows as aligned text. A figure that is unavailable is `–`, and a column without any figure
 * is left out; a deployment without CPU and memory has ended or is out of reach, and its
 * reason stands below.
 */
export function renderWatch(rows: readonly WatchRow[]): string {
  // A column that no deployment has a figure for tells nothing; CPU and memory always stay.
  const columns = COLUMNS.filter(
    ([title, of]) => /^(CPU|memory)$/.test(title) || rows.some((row) => of(row) !== NONE),
  );
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, of]) => of(row))),
  ];
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) =>
        // Words to the left, numbers to the right.
        column === 0 || column === columns.length - 1
          ? cell.padEnd(widths[column]!)
          : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
  for (const { name, cpuShare, workingSetBytes } of rows) {
    if (isUnavailable(cpuShare) && isUnavailable(workingSetBytes))
      lines.push(`${name}: ${cpuShare.unavailable}`);
  }
  return lines.join('\n');
}

export interface WatchOptions {
  watched: readonly Watched[];
  signal: AbortSignal;
  /** Called with each new set of rows; the caller prints, redraws or writes JSON. */
  show: (rows: WatchRow[]) => void;
  intervalMs?: number;
}

/** Until `signal` fires. A meter that fails is shown as unavailable. Closes no meter. */
export async function watchDeployments(options: WatchOptions): Promise<void> {
  const { watched, signal, show } = options;
  const slowest = Math.max(0, ...watched.map(({ meter }) => meter.minIntervalMs ?? 0));
  const intervalMs = Math.max(options.intervalMs ?? 1000, slowest);
  const readAll = () => Promise.all(watched.map(({ meter }) => readOrWhy(meter)));
  let before = await readAll();
  while (!signal.aborted) {
    await sleep(intervalMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const now = await readAll();
    show(
      watched.map((each, index) => {
        const [from, to] = [before[index]!, now[index]!];
        if (isUnavailable(from)) return emptyRow(each, from.unavailable);
        return isUnavailable(to) ? emptyRow(each, to.unavailable) : watchRow(each, from, to);
      }),
    );
    before = now;
  }
}

async function readOrWhy(meter: Meter): Promise<Measured<MeterReading>> {
  try {
    return await meter.read();
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : String(error));
  }
}

function emptyRow({ name, url }: Watched, reason: string): WatchRow {
  const why = unavailable(reason);
  return {
    name,
    url,
    cpuShare: why,
    throttledShare: why,
    workingSetBytes: why,
    guestUsedBytes: why,
    diskReadBytesPerSecond: why,
    diskWrittenBytesPerSecond: why,
    networkReceivedBytesPerSecond: why,
    networkSentBytesPerSecond: why,
  };
}

/**
 * Redraws in place on a terminal: up over what was drawn before, each line cleared. A line that is
 * wider than the terminal would wrap and the next redraw start too low, so it is cut.
 */
export function redrawer(
  write: (text: string) => void,
  columns: () => number | undefined = () => undefined,
): (text: string) => void {
  let drawn = 0;
  return (text) => {
    const width = columns() || Number.POSITIVE_INFINITY;
    const lines = text.split('\n').map((line) => line.slice(0, width));
    const up = drawn > 0 ? `\u001b[${drawn}A` : '';
    write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[0J`);
    drawn = lines.length;
  };
}

function percent(share: Measured<number>): string {
  return isUnavailable(share) ? NONE : `${(share * 100).toFixed(1)} %`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function bytes(value: Measured<number>): string {
  if (isUnavailable(value)) return '–';
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1024 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[unit]}`;
}
