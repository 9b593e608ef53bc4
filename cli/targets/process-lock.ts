/**
 * A lock file that names the process which holds it. One whose holder has died, or that a crash left
 * unreadable, is taken over.
 *
 *   <file>                       the holder: pid and start time
 *   <file>[.stale].<pid>.<hex>   a moment's work of that process
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScratchpadError } from '../errors.ts';
import { throwIfAborted } from './command.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';

export interface LockOptions {
  timeoutMs: number;
  /** How often it is tried. */
  everyMs: number;
  /** Tries once; default: `tryLock`. */
  take?: () => boolean;
  signal?: AbortSignal;
}

/**
 * Runs `body` while this process holds `file`, waiting for another that does.
 * @throws STATE_LOCKED after `timeoutMs`, INTERRUPTED, what `take` throws
 */
export async function withLock<T>(
  file: string,
  { timeoutMs, everyMs, take = () => tryLock(file), signal }: LockOptions,
  body: () => T | Promise<T>,
): Promise<T> {
  const until = performance.now() + timeoutMs;
  while (!take()) {
    if (signal) throwIfAborted(signal);
    if (performance.now() > until) {
      throw new ScratchpadError('STATE_LOCKED', `Another scratchpad process holds ${file}.`, {
        hint: `Wait for it to end, or remove ${file} if none runs.`,
      });
    }
    await sleep(everyMs);
  }
  try {
    return await body();
  } finally {
    unlock(file);
  }
}

/** Not waiting: false where a living process holds it. @throws what node:fs throws for its folder */
export function tryLock(file: string): boolean {
  const own = workName(file);
  try {
    writeFileSync(own, JSON.stringify(identify(process.pid)), { mode: 0o600 });
    if (tryLink(own, file)) return true;
    takeOverIfStale(file);
    return tryLink(own, file);
  } finally {
    discard(own);
  }
}

export function unlock(file: string): void {
  rmSync(file, { force: true });
}

/** The process that holds `file`; null where none does, or it does not say. */
export function holderOf(file: string): ProcessIdentity | null {
  const holder = readHolder(file);
  return typeof holder === 'object' ? holder : null;
}

/** Removes a lock whose holder has died. */
export function takeOverIfStale(file: string): void {
  const holder = readHolder(file);
  if (holder === 'gone' || (holder !== 'unreadable' && isAlive(holder))) return;
  // rename is atomic, so of two that saw the same dead holder only one moves it; if what it moved
  // is by then a living one's lock, it is put back
  const moved = workName(`${file}.stale`);
  try {
    renameSync(file, moved);
  } catch {
    return;
  }
  const now = readHolder(moved);
  if (typeof now === 'object' && isAlive(now)) tryLink(moved, file);
  discard(moved);
}

/** link(2) creates the lock together with its content: no reader ever sees it empty. */
function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function workName(file: string): string {
  return `${file}.${process.pid}.${randomBytes(3).toString('hex')}`;
}

/** Best effort: what went wrong before tells more. */
function discard(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // e.g. ENOTDIR: it was never there
  }
}

function readHolder(file: string): ProcessIdentity | 'gone' | 'unreadable' {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    return typeof holder.pid === 'number' ? holder : 'unreadable';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'unreadable';
  }
}
