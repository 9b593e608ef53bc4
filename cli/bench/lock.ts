/** One bench at a time in a folder: two that write the same bench.json would lose each other's trials. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import { BENCH_LOCK } from '../record/store.ts';
import { isAlive, type ProcessIdentity } from '../targets/process-identity.ts';
import { holderOf, tryLock, unlock } from '../targets/process-lock.ts';
import { BENCH_FILE } from './folder.ts';

/**
 * @throws BAD_FLAG where `folder` holds a bench: a new one would be mixed with its trials; STATE_LOCKED
 *   where that bench is at work
 */
export function assertNoBench(folder: string): void {
  const holder = holderOf(join(folder, BENCH_LOCK));
  if (holder !== null && isAlive(holder)) throw atWork(folder);
  if (!existsSync(join(folder, BENCH_FILE))) return;
  throw new ScratchpadError('BAD_FLAG', `There is a bench in ${folder} already`, {
    hint: `Go on with it by \`scratchpad bench --resume ${folder}\`, or name another folder with --out.`,
  });
}

/** The process that was killed while it worked on the bench in `folder`; null where none was. */
export function crashedHolder(folder: string): ProcessIdentity | null {
  const holder = holderOf(join(folder, BENCH_LOCK));
  return holder === null || isAlive(holder) ? null : holder;
}

/**
 * Runs `body` while no other process works on the bench in `folder`. A lock whose holder has died is
 * taken over.
 * @throws STATE_LOCKED, OUTPUT_UNWRITABLE, DISK_FULL
 */
export async function withBenchLock<T>(folder: string, body: () => Promise<T>): Promise<T> {
  const lock = join(folder, BENCH_LOCK);
  if (!take(lock)) throw atWork(folder);
  try {
    return await body();
  } finally {
    unlock(lock);
  }
}

function atWork(folder: string): ScratchpadError {
  const pid = holderOf(join(folder, BENCH_LOCK))?.pid;
  return new ScratchpadError(
    'STATE_LOCKED',
    `Another bench is at work in ${folder}${pid === undefined ? '' : ` (pid ${pid})`}`,
    { hint: 'Wait for it to end, or name another folder with --out.' },
  );
}

function take(lock: string): boolean {
  try {
    return tryLock(lock);
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new ScratchpadError(
      full ? 'DISK_FULL' : 'OUTPUT_UNWRITABLE',
      full ? `No space left to write ${lock}` : `Cannot write ${lock}`,
      { cause, hint: 'Name another folder with --out or SCRATCHPAD_RESULTS_DIR.' },
    );
  }
}
