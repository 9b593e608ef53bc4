/**
 * A file of the kernel's that is read again and again. It is opened once and read from offset 0
 * each time: the kernel makes its content anew, and a read costs one system call. Reads are
 * synchronous on purpose: they never wait for a device, and an asynchronous read costs more than ten
 * times the CPU (docs/decisions/meters-sources.md), on threads that run beside what is being measured.
 */
import { closeSync, openSync, readSync } from 'node:fs';

// /proc/PID/smaps_rollup and memory.stat are below 4 KiB, /proc/stat of a large host about 1 MiB.
const FIRST_BUFFER_BYTES = 16 * 1024;
let shared = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);

export class CounterFile {
  readonly path: string;
  #descriptor: number | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** The whole content. Throws what `open` and `read` throw: ENOENT, EACCES; ENODEV, ESRCH once gone. */
  read(): string {
    this.#descriptor ??= openSync(this.path, 'r');
    let length = 0;
    for (;;) {
      const got = readSync(this.#descriptor, shared, length, shared.length - length, length);
      length += got;
      if (got === 0) return shared.toString('latin1', 0, length);
      if (length === shared.length) shared = Buffer.concat([shared], shared.length * 2);
    }
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** Content of a file that is read once or seldom; undefined where it can't be read. */
export function readOnce(path: string): string | undefined {
  const file = new CounterFile(path);
  try {
    return file.read();
  } catch {
    return undefined;
  } finally {
    file.close();
  }
}

/** Why a read failed, in words for a record. */
export function whyUnreadable(error: unknown, path: string): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOENT') return `${path} does not exist`;
  if (code === 'EACCES' || code === 'EPERM') return `no permission to read ${path}`;
  if (code === 'ENODEV' || code === 'ESRCH') return `${path} is gone: what it counted has ended`;
  return `${path}: ${error instanceof Error ? error.message : String(error)}`;
}
