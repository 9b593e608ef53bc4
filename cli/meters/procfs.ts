/**
 * Parsers of /proc, pure: text in, numbers out. Formats: Linux Documentation/filesystems/proc.rst
 * and proc(5). Times are handed out in milliseconds, sizes in bytes.
 */

/** The kernel's unit of CPU time in /proc: 100 per second on every architecture it supports. */
export const TICK_MS = 10;

export interface ProcessStat {
  pid: number;
  name: string;
  /** 'Z' and 'X' have ended. */
  state: string;
  parentPid: number;
  userMs: number;
  systemMs: number;
  /** CPU of descendants that have ended and been waited for. */
  childUserMs: number;
  childSystemMs: number;
  /** Ticks after boot: together with the pid it names one process for ever. */
  startTicks: number;
}

/** /proc/PID/stat. The name may hold spaces and parentheses: the last ')' ends it. */
export function parseProcessStat(text: string): ProcessStat {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) throw new Error(`not a /proc/PID/stat line: ${text.slice(0, 60)}`);
  const fields = text.slice(close + 2).split(' ');
  const ticks = (index: number) => Number(fields[index]) * TICK_MS;
  return {
    pid: Number.parseInt(text, 10),
    name: text.slice(open + 1, close),
    state: fields[0] ?? '?',
    parentPid: Number(fields[1]),
    userMs: ticks(11),
    systemMs: ticks(12),
    childUserMs: ticks(13),
    childSystemMs: ticks(14),
    startTicks: Number(fields[19]),
  };
}

/** `key: value` and `key value` lines, values in the file's own unit (`kB` is not scaled). */
export function parseKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    const line = text.slice(start, end);
    const at = line.search(/[:\s]/);
    if (at > 0) {
      const value = Number.parseInt(line.slice(at + 1).trimStart(), 10);
      if (!Number.isNaN(value)) values.set(line.slice(0, at), value);
    }
    start = end + 1;
  }
  return values;
}

export interface ProcessIo {
  /** From the device, read-ahead included. */
  readBytes: number;
  /** Dirtied, less what was truncated before it was written; direct writes included. */
  writtenBytes: number;
}

/** /proc/PID/io: this process and its waited-for children. */
export function parseProcessIo(text: string): ProcessIo {
  const io = parseKeyed(text);
  return {
    readBytes: io.get('read_bytes') ?? 0,
    writtenBytes: Math.max(
      0,
      (io.get('write_bytes') ?? 0) - (io.get('cancelled_write_bytes') ?? 0),
    ),
  };
}

export interface ProcessMemory {
  rssBytes: number;
  anonymousBytes: number;
  sharedMemoryBytes: number;
  /** The process's own high-water mark of RSS. */
  peakRssBytes: number;
}

/** /proc/PID/status; undefined for a process without memory: a kernel thread, a zombie. */
export function parseProcessMemory(text: string): ProcessMemory | undefined {
  const status = parseKeyed(text);
  const bytes = (key: string) => (status.get(key) ?? 0) * 1024;
  if (!status.has('VmRSS')) return undefined;
  return {
    rssBytes: bytes('VmRSS'),
    anonymousBytes: bytes('RssAnon'),
    sharedMemoryBytes: bytes('RssShmem'),
    peakRssBytes: bytes('VmHWM'),
  };
}

/** /proc/PID/smaps_rollup: the proportional set size. */
export function parsePssBytes(text: string): number {
  const pss = parseKeyed(text).get('Pss');
  if (pss === undefined) throw new Error('smaps_rollup has no Pss line');
  return pss * 1024;
}

export interface InterfaceCounters {
  receivedBytes: number;
  sentBytes: number;
}

/** /proc/net/dev: bytes by interface, `lo` left out. */
export function parseNetworkDevices(text: string): Map<string, InterfaceCounters> {
  const devices = new Map<string, InterfaceCounters>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const name = line.slice(0, colon).trim();
    const fields = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/);
    if (name === 'lo' || fields.length < 16) continue;
    devices.set(name, { receivedBytes: Number(fields[0]), sentBytes: Number(fields[8]) });
  }
  return devices;
}

export interface HostCpu {
  /** Idle and waiting for a device, of all CPUs. */
  idleMs: number;
  /** Time that this host's own hypervisor gave to others while it had work. */
  stealMs: number;
  /** CPUs that are on line. */
  cpus: number;
}

/** The first line of /proc/stat, and the number of lines for single CPUs below it. */
export function parseHostCpu(text: string): HostCpu {
  const fields = text
    .slice(0, text.indexOf('\n'))
    .split(/\s+/)
    .slice(1)
    .map((field) => Number(field) * TICK_MS);
  if (!text.startsWith('cpu ') || fields.length < 7) throw new Error('not a /proc/stat');
  const [, , , idle, iowait, , , steal = 0] = fields as number[];
  const cpus = text.match(/^cpu\d+ /gm)?.length ?? 0;
  return { idleMs: idle! + iowait!, stealMs: steal, cpus };
}

export interface DeviceCounters {
  readBytes: number;
  writtenBytes: number;
  readOps: number;
  writeOps: number;
}

/** /proc/diskstats by `major:minor`. Its sectors are 512 bytes whatever the device's are. */
export function parseDiskStats(text: string): Map<string, DeviceCounters & { name: string }> {
  const devices = new Map<string, DeviceCounters & { name: string }>();
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields.length < 14) continue;
    const number = (index: number) => Number(fields[index]);
    devices.set(`${fields[0]}:${fields[1]}`, {
      name: fields[2]!,
      readOps: number(3),
      readBytes: number(5) * 512,
      writeOps: number(7),
      writtenBytes: number(9) * 512,
    });
  }
  return devices;
}
