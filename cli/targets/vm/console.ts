/**
 * The serial console, line by line, stamped on the host's clock. QEMU (or libvirt) writes it to a
 * file; while this process lives it reads what is appended as soon as the kernel tells (inotify).
 * When the CLI exits, the file simply goes on: no helper process is needed. A socket with
 * `logfile=` was tried first: QEMU then logs a character twice where the socket is slow to take it.
 */
import {
  closeSync,
  type FSWatcher,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  watch,
} from 'node:fs';
import { dirname } from 'node:path';
import type { ErrorCode } from '../../errors.ts';
import type { Phase } from '../target.ts';

export interface ConsoleLine {
  /** Monotonic ns of the moment at which the line was complete. */
  atNs: bigint;
  text: string;
}

/** Lines kept for phases: the boot has about fifty; a request log must not fill the memory. */
const MAX_LINES = 1000;

export class SerialConsole {
  readonly lines: ConsoleLine[] = [];
  readonly #path: string;
  readonly #watcher: FSWatcher;
  readonly #onLine: ((line: ConsoleLine) => void) | undefined;
  readonly #buffer = Buffer.alloc(16_384);
  #fd: number;
  #inode: number;
  #rest = '';
  #closed = false;
  #position: number;

  /**
   * Follows `path`, which is made here if need be, from `fromByte` on, also when it is emptied or
   * replaced by another file: libvirt's log daemon does both. The CLI can exit meanwhile.
   */
  constructor(path: string, fromByte: number, onLine?: (line: ConsoleLine) => void) {
    this.#path = path;
    this.#onLine = onLine;
    closeSync(openSync(path, 'a', 0o600));
    this.#fd = openSync(path, 'r');
    this.#inode = fstatSync(this.#fd).ino;
    this.#position = fromByte;
    // the folder, since a file that takes this one's place is another file
    this.#watcher = watch(dirname(path), { persistent: false }, () => this.read());
    this.#watcher.on('error', () => {});
  }

  /** Takes what is new. Called by the watcher, and before the lines are looked at. */
  read(): void {
    if (this.#closed) return;
    this.#followReplacement();
    for (;;) {
      const length = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, this.#position);
      if (length === 0) return;
      const atNs = process.hrtime.bigint();
      this.#position += length;
      const parts = (this.#rest + this.#buffer.toString('latin1', 0, length)).split('\n');
      this.#rest = parts.pop() ?? '';
      for (const part of parts) {
        const line = { atNs, text: cleanLine(part) };
        if (this.lines.length < MAX_LINES) this.lines.push(line);
        this.#onLine?.(line);
      }
    }
  }

  #followReplacement(): void {
    if (fstatSync(this.#fd).size < this.#position) this.#position = 0;
    const now = statSync(this.#path, { throwIfNoEntry: false });
    if (now === undefined || now.ino === this.#inode) return;
    try {
      const fd = openSync(this.#path, 'r');
      closeSync(this.#fd);
      this.#fd = fd;
      this.#inode = now.ino;
      this.#position = 0;
    } catch {
      // root's, and this user is not: nothing to read
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher.close();
    closeSync(this.#fd);
  }
}

/** Without the carriage return and the colours of a terminal. */
export function cleanLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of a terminal
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replace(/\r/g, '');
}

/** What a line means for the start; null: nothing. Pure. */
export function markOf(line: string): Mark | null {
  if (/\bLinux version \d/.test(line)) return 'kernel';
  if (/^scratchpad: userspace/.test(line)) return 'userspace';
  if (/^scratchpad: systemd/.test(line)) return 'systemd';
  if (/^scratchpad: service/.test(line)) return 'service';
  if (/^\{.*"event":"listening"/.test(line)) return 'listening';
  return null;
}

export type Mark = 'kernel' | 'userspace' | 'systemd' | 'service' | 'listening';

/** Phase that ends when the mark comes. */
const PHASE_ENDING_AT: ReadonlyArray<[Mark, string]> = [
  ['kernel', 'VMM start'],
  ['userspace', 'kernel'],
  ['systemd', 'initramfs'],
  ['service', 'systemd'],
  ['listening', 'service to listening'],
];

/**
 * Phases from the lines, in ms since `t0Ns`, each from the mark before to its own. They end with
 * the first mark that is missing. `from`: where the first phase begins, e.g. after Vagrant's own.
 */
export function phasesFrom(lines: readonly ConsoleLine[], t0Ns: bigint, fromMs = 0): Phase[] {
  const firstAt = new Map<Mark, number>();
  for (const { atNs, text } of lines) {
    const mark = markOf(text);
    if (mark !== null && !firstAt.has(mark)) firstAt.set(mark, Number(atNs - t0Ns) / 1e6);
  }
  const phases: Phase[] = [];
  let startMs = fromMs;
  for (const [mark, name] of PHASE_ENDING_AT) {
    const endMs = firstAt.get(mark);
    if (endMs === undefined) break;
    phases.push({ name, startMs, endMs, source: 'serial console' });
    startMs = endMs;
  }
  return phases;
}

/**
 * Longest silence of a boot that goes on, by acceleration. The longest stretch without a line
 * (Node's start) takes 5 s emulated on an idle 2-core host and a tenth of that with KVM; a host
 * that is ten times busier is still waited for.
 */
export const MAX_SILENCE_MS = { tcg: 60_000, kvm: 20_000 };

/**
 * A boot that has stopped half-way: no line for `maxMs`, and the workload does not listen yet.
 * `sinceNs`: when the machine was started. null: it goes on, or is done. Pure.
 */
export function hangIn(
  lines: readonly ConsoleLine[],
  sinceNs: bigint,
  nowNs: bigint,
  maxMs: number,
): string | null {
  const reached = new Set(lines.map(({ text }) => markOf(text)));
  if (reached.has('listening')) return null;
  const silentMs = Number(nowNs - (lines.at(-1)?.atNs ?? sinceNs)) / 1e6;
  if (silentMs <= maxMs) return null;
  const [, phase] = PHASE_ENDING_AT.find(([mark]) => !reached.has(mark))!;
  return `the boot hangs in its phase "${phase}": no line on the console for ${Math.round(silentMs / 1000)} s`;
}

/** How often the guest has started the workload again since it last booted. Pure. */
export function restartsIn(log: string): number {
  let starts = 0;
  for (const line of log.split('\n')) {
    const mark = markOf(cleanLine(line));
    if (mark === 'kernel') starts = 0;
    else if (mark === 'service') starts += 1;
  }
  return Math.max(0, starts - 1);
}

/** null: the console cannot be read. */
export function restartsOnConsole(path: string): number | null {
  try {
    return restartsIn(readFileSync(path, 'latin1'));
  } catch {
    return null;
  }
}

export interface BootFault {
  code: Extract<ErrorCode, 'VM_KERNEL_PANIC' | 'VM_BOOT_FAILED'>;
  detail: string;
}

/** A panic or a failure that the guest itself names, from its console. Pure. */
export function faultIn(log: string): BootFault | null {
  const lines = log.split('\n').map(cleanLine);
  const panic = lines.find((line) => /Kernel panic - not syncing/.test(line));
  if (panic !== undefined)
    return { code: 'VM_KERNEL_PANIC', detail: panic.replace(/^\[[^\]]*\]\s*/, '') };
  const failed = lines.find((line) => /^scratchpad: failed/.test(line));
  if (failed !== undefined)
    return { code: 'VM_BOOT_FAILED', detail: failed.slice('scratchpad: failed '.length) };
  return null;
}

/** What QEMU itself said of a machine that it gave up on. Pure. */
export function faultOfVmm(log: string): string | null {
  return /KVM internal error[^\n]*/.exec(log)?.[0].trim() ?? null;
}
