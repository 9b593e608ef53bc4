/** Opens a database file with the settings of this app, migrated and ready. Not for workerd. */

import { databaseErrorKind } from './errors.ts';
import { HeldClient } from './held-client.ts';

export interface FileOptions {
  /** `file:PATH`, or `file::memory:` for tests. */
  url: string;
  /**
   * 'normal': a commit survives the death of the process, and a power cut may take the last ones
   * back. 'full': a commit survives a power cut too, for an fsync a commit.
   */
  synchronous: 'normal' | 'full';
  /** How long a statement waits for another process's write; it blocks the event loop meanwhile. */
  busyTimeoutMs: number;
}

/** Switching a new file to WAL needs it alone for a moment and does not wait by itself. */
const WAL_ATTEMPTS = 100;
const WAL_PAUSE_MS = 20;

export async function openFile({
  url,
  synchronous,
  busyTimeoutMs,
}: FileOptions): Promise<HeldClient> {
  const client = HeldClient.open(pathOf(url), { busyTimeoutMs });
  for (let attempt = 1; ; attempt++) {
    try {
      await client.execute('PRAGMA journal_mode = WAL');
      break;
    } catch (error) {
      if (databaseErrorKind(error) !== 'busy' || attempt === WAL_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, WAL_PAUSE_MS));
    }
  }
  await client.execute(`PRAGMA synchronous = ${synchronous === 'full' ? 'FULL' : 'NORMAL'}`);
  await client.execute('PRAGMA foreign_keys = ON');
  return client;
}

/**
 * Folds the write-ahead log into the file, so that the file alone is the database, and closes.
 * Where that fails (a full disk) nothing is lost: the log stays and is read at the next start.
 */
export async function closeFile(client: HeldClient): Promise<void> {
  try {
    await client.execute('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // as above
  } finally {
    client.close();
  }
}

/** `file:posts.db`, `file:/data/posts.db`, `file:///data/posts.db` → the path. */
export function pathOf(url: string): string {
  const path = url.replace(/^file:/, '');
  if (path.startsWith('//')) return decodeURIComponent(new URL(url).pathname);
  return path;
}
