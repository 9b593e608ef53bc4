/**
 * A tar stream (POSIX ustar) for the build context: owner 0, time 0 and modes set here, so that the
 * same files give the same layers whatever the umask and clock of who builds. Node has no tar of
 * its own; the host's `tar` differs in its flags between GNU, BSD and busybox.
 */
import { createReadStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';

export type TarEntry =
  | { path: string; mode: number; text: string }
  | { path: string; mode: number; file: string }
  | { path: string; mode: number; folder: true };

const BLOCK = 512;

export function tarStream(entries: readonly TarEntry[]): Readable {
  return Readable.from(chunks(entries));
}

async function* chunks(entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    if ('folder' in entry) {
      yield header(`${entry.path}/`, entry.mode, 0, '5');
    } else if ('text' in entry) {
      const body = Buffer.from(entry.text);
      yield header(entry.path, entry.mode, body.length, '0');
      yield body;
      yield padding(body.length);
    } else {
      const { size } = statSync(entry.file);
      yield header(entry.path, entry.mode, size, '0');
      let sent = 0;
      for await (const chunk of createReadStream(entry.file, { highWaterMark: 1 << 20 })) {
        sent += (chunk as Buffer).length;
        yield chunk as Buffer;
      }
      if (sent !== size) throw new Error(`${entry.file} changed while it was read`);
      yield padding(size);
    }
  }
  yield Buffer.alloc(2 * BLOCK);
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

function header(path: string, mode: number, size: number, type: '0' | '5'): Buffer {
  const { name, prefix } = splitPath(path);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'ascii');
  block.write(name, 0, 'utf8');
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write(' '.repeat(8), 148, 'ascii');
  block.write(type, 156, 'ascii');
  block.write('ustar\x0000', 257, 'ascii');
  block.write(prefix, 345, 'utf8');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return block;
}

/** 100 bytes of name, and 155 of folders before it, split at a slash. */
function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let at = path.indexOf('/'); at > 0 && at < path.length - 1; at = path.indexOf('/', at + 1)) {
    const prefix = path.slice(0, at);
    const name = path.slice(at + 1);
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { name, prefix };
  }
  throw new Error(`path too long for a tar archive: ${path}`);
}
