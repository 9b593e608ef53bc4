/**
 * Records on disk: written whole or not at all, read with a clear refusal. Space for a record is
 * reserved before the measurement starts, so that a disk that fills up costs nothing measured.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  type Dirent,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ScratchpadError } from '../errors.ts';
import { isAlive } from '../targets/process-identity.ts';
import { type AnyRecord, recordSchema, SCHEMA_VERSION } from './schema.ts';

/** A record is far smaller; what is left of the reserve is given back when it is written. */
const RESERVE_BYTES = 1024 * 1024;

/** A kept record is stored as `NAME.json.gz`; whoever names `NAME.json` means it too. */
export const COMPRESSED = '.gz';

/** In a bench's folder while a process works on it; holds that process's pid. */
export const BENCH_LOCK = '.bench.lock';

/** Far above any record: a file that unpacks to more is not one of ours. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

/** `20261124T031500Z-1f2e`: sorts by time, unique enough for a folder. */
export function newRecordId(now: Date = new Date()): string {
  const time = now.toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
  return `${time}-${randomBytes(2).toString('hex')}`;
}

export interface Reservation {
  readonly file: string;
  /** Write the record atomically. Where the disk fails, elsewhere; the path says where. */
  commit(record: unknown): string;
  /** Give the space back without writing. */
  release(): void;
}

/**
 * Claims `file` before the expensive step.
 * @throws ScratchpadError OUTPUT_UNWRITABLE or DISK_FULL, before anything was measured
 */
export function reserve(file: string): Reservation {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.part`);
  try {
    mkdirSync(dirname(file), { recursive: true });
    if (existsSync(file) && statSync(file).isDirectory()) {
      throw Object.assign(new Error(`${file} is a folder`), { code: 'EISDIR' });
    }
    const descriptor = openSync(temporary, 'w');
    try {
      writeAll(descriptor, Buffer.alloc(RESERVE_BYTES));
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    removeQuietly(temporary);
    throw writeError(file, cause as NodeJS.ErrnoException);
  }
  return {
    file,
    commit(record) {
      const text = `${JSON.stringify(record, null, 1)}\n`;
      try {
        return writeWhole(file, temporary, text);
      } catch (cause) {
        return rescue(file, text, cause as NodeJS.ErrnoException);
      } finally {
        removeQuietly(temporary);
      }
    },
    release() {
      removeQuietly(temporary);
    },
  };
}

/** Writes `record` to `file` through a temporary file beside it, synced and renamed. */
export function writeRecord(file: string, record: unknown): void {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.part`);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeWhole(file, temporary, `${JSON.stringify(record, null, 1)}\n`);
  } catch (cause) {
    removeQuietly(temporary);
    throw writeError(file, cause as NodeJS.ErrnoException);
  }
}

/**
 * Writes a text that can be made again (a report, a table) whole or not at all: what was there
 * before stays where it cannot be written. A device or a pipe (`--out /dev/stdout`) is written as it is.
 * @throws ScratchpadError DISK_FULL or OUTPUT_UNWRITABLE
 */
export function writeText(file: string, text: string): void {
  try {
    const target = existsSync(file) ? realpathSync(file) : file;
    if (existsSync(target) && !statSync(target).isFile()) {
      writeFileSync(target, text);
      return;
    }
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
    try {
      writeWhole(target, temporary, text);
    } finally {
      removeQuietly(temporary);
    }
  } catch (cause) {
    throw writeError(file, cause as NodeJS.ErrnoException);
  }
}

function writeWhole(file: string, temporary: string, text: string): string {
  // 'r+' writes into the blocks that were reserved; what is left of them is cut off at the end.
  const bytes = Buffer.from(text);
  const descriptor = openSync(temporary, existsSync(temporary) ? 'r+' : 'w');
  try {
    writeAll(descriptor, bytes);
    ftruncateSync(descriptor, bytes.length);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  return file;
}

/**
 * Removes what a crash left half-written in `folder` and in the benches that lie in it: hidden files
 * `.NAME.PID.part`, and locks, whose process is gone. Returns their paths.
 */
export function removeHalfWritten(folder: string): string[] {
  const removed: string[] = [];
  for (const place of [folder, ...foldersIn(folder)]) {
    for (const { name } of entriesOf(place)) {
      const pid = ownerOf(place, name);
      if (pid === null || isAlive({ pid, startTicks: null })) continue;
      removeQuietly(join(place, name));
      removed.push(join(place, name));
    }
  }
  return removed;
}

/** `.NAME.PID.part`, and what taking a bench's lock makes (targets/process-lock.ts). */
const HALF_WRITTEN =
  /^(?:\..+\.(?=\d+\.part$)|\.bench\.lock\.(?:stale\.)?(?=\d+\.[0-9a-f]{6}$))(?<pid>\d+)/;

/** The pid that a half-written file or a lock belongs to; null where it is neither. */
function ownerOf(folder: string, name: string): number | null {
  const pid = HALF_WRITTEN.exec(name)?.groups?.['pid'];
  if (pid !== undefined) return Number(pid);
  if (name !== BENCH_LOCK) return null;
  try {
    return (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { pid: number }).pid;
  } catch {
    return null;
  }
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // not there, or not ours to read: nothing of ours is in it
  }
}

function foldersIn(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}

/** Cleaning up never hides the error that led here: the folder itself may be gone. */
function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // ENOTDIR and the like: nothing of ours is there
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  let offset = 0;
  while (offset < bytes.length) {
    offset += writeSync(descriptor, bytes, offset, bytes.length - offset, offset);
  }
}

/** The record could not be written where it should be: nothing measured may be lost. */
function rescue(file: string, text: string, cause: NodeJS.ErrnoException): string {
  const elsewhere = join(tmpdir(), `scratchpad-rescued-${basename(file)}`);
  let kept: string | null = null;
  try {
    kept = writeWhole(elsewhere, `${elsewhere}.part`, text);
  } catch {
    process.stderr.write(`${text}`);
  }
  throw new ScratchpadError(
    cause.code === 'ENOSPC' ? 'DISK_FULL' : 'OUTPUT_UNWRITABLE',
    `The record could not be written to ${file}`,
    {
      cause,
      hint: kept
        ? `It has been kept as ${kept}: move it to where there is space.`
        : 'No other place could be written either: the record has been printed on stderr.',
      details: { rescuedTo: kept },
    },
  );
}

function writeError(file: string, cause: NodeJS.ErrnoException): ScratchpadError {
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT') {
    return new ScratchpadError('DISK_FULL', `No space left to write ${file}`, {
      cause,
      hint: 'Free some space, or name another place with --out or SCRATCHPAD_RESULTS_DIR.',
    });
  }
  return new ScratchpadError('OUTPUT_UNWRITABLE', `Cannot write ${file}`, {
    cause,
    hint: 'Name a file in a folder that you may write to, with --out or SCRATCHPAD_RESULTS_DIR.',
  });
}

/** `file` as it stands on disk: itself, or its compressed form where only that is there. */
export function recordFile(file: string): string {
  const compressed = `${file}${COMPRESSED}`;
  return !existsSync(file) && existsSync(compressed) ? compressed : file;
}

/**
 * Reads and checks one record, compressed or not.
 * @throws ScratchpadError RECORD_NOT_FOUND, RECORD_UNREADABLE (not JSON, cut off) or RECORD_FOREIGN
 *   (another schema version, or not a record of ours)
 */
export function readRecord(file: string): AnyRecord {
  let bytes: Buffer;
  try {
    bytes = readFileSync(recordFile(file));
  } catch (cause) {
    const absent = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ScratchpadError(
      absent ? 'RECORD_NOT_FOUND' : 'RECORD_UNREADABLE',
      absent ? `There is no record ${file}` : `Cannot read ${file}`,
      { cause, hint: 'Records are written to results/ by `scratchpad load`, `probe` and `bench`.' },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(unpacked(bytes));
  } catch (cause) {
    const what = isCompressed(bytes) ? 'a compressed record' : 'JSON';
    throw new ScratchpadError('RECORD_UNREADABLE', `${file} is not ${what}`, {
      cause,
      hint: 'The file may be cut off or not a record: make it again, or leave it out.',
    });
  }
  return parseRecord(json, file);
}

/** By its first bytes: a name can lie. */
function isCompressed(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function unpacked(bytes: Buffer): string {
  const plain = isCompressed(bytes)
    ? gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES })
    : bytes;
  return plain.toString('utf8');
}

/** Checks a parsed document against the schema; `name` is for the message. */
export function parseRecord(json: unknown, name: string): AnyRecord {
  const version = (json as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (version !== SCHEMA_VERSION) {
    throw new ScratchpadError(
      'RECORD_FOREIGN',
      version === undefined
        ? `${name} is not a scratchpad record`
        : `${name} has schema version ${String(version)}, and this scratchpad reads version ${SCHEMA_VERSION}`,
      {
        hint:
          version === undefined
            ? 'Name files that `scratchpad load`, `probe` or `bench` wrote.'
            : 'Use the scratchpad that wrote it, or measure again with this one.',
      },
    );
  }
  const parsed = recordSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ScratchpadError('RECORD_FOREIGN', `${name} does not fit the record’s schema`, {
    cause: `${issue?.path.join('.') || 'record'}: ${issue?.message}`,
    hint: 'The file has been changed or was written by another program: leave it out.',
  });
}

/**
 * The records in `folder`, compressed or not, newest first by file time; a bench counts by its
 * folder's bench.json.
 */
export function listRecordFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const files: Array<{ file: string; time: number }> = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = entry.isDirectory()
      ? recordFile(join(folder, entry.name, 'bench.json'))
      : join(folder, entry.name);
    if (!/\.json(\.gz)?$/.test(file) || basename(file).startsWith('.') || !existsSync(file))
      continue;
    files.push({ file, time: statSync(file).mtimeMs });
  }
  return files.sort((a, b) => b.time - a.time).map(({ file }) => file);
}
