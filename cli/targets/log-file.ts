/** The end of a log file, without reading all of it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 256 * 1024;

/** The last `lines` lines among the last 256 KiB; '' where there is no file. */
export function tailOfFile(path: string, lines: number): string {
  let end: Buffer;
  try {
    end = endOfFile(path, TAIL_BYTES);
  } catch {
    return '';
  }
  return end.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** Its last `maxBytes`, or all of it. @throws what node:fs throws */
export function endOfFile(path: string, maxBytes: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, maxBytes));
    const length = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
