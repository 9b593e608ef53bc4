/**
 * A file tree that was made elsewhere, for hosts without apt: an archive as packageTree makes it
 * (`packages-<key>.tar` in the cache of a Debian or Ubuntu host), from a URL or a path.
 *
 *   SCRATCHPAD_BOX_TREE=https://…/packages.tar  SCRATCHPAD_BOX_TREE_SHA256=<64 hex digits>
 *
 * The checksum is pinned by whoever names the address: without one nothing is fetched, and an
 * archive that has another one is refused.
 */
import { createWriteStream } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ScratchpadError } from '../../errors.ts';
import { throwIfAborted } from '../command.ts';
import { sha256OfFile } from '../file-hash.ts';

export interface TreeSource {
  /** http(s) URL, or a path. */
  location: string;
  sha256: string;
}

/** From the environment; null where none is named. @throws BAD_FLAG where only half is */
export function treeSource(env: NodeJS.ProcessEnv = process.env): TreeSource | null {
  const location = env['SCRATCHPAD_BOX_TREE'];
  if (!location) return null;
  const sha256 = (env['SCRATCHPAD_BOX_TREE_SHA256'] ?? '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(sha256)) return { location, sha256 };
  throw new ScratchpadError('BAD_FLAG', 'SCRATCHPAD_BOX_TREE has no pinned checksum.', {
    hint: 'Set SCRATCHPAD_BOX_TREE_SHA256 to the 64 hex digits that its maker published.',
  });
}

/**
 * Fetches the archive into `file` and verifies it.
 * @throws VM_BOX_BUILD_FAILED where it cannot be had, VM_BOX_CORRUPT where it is another one,
 *   DISK_FULL, INTERRUPTED; `file` is then gone
 */
export async function fetchTree(
  { location, sha256 }: TreeSource,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (/^https?:/.test(location)) await download(location, file, signal);
    else await copyFile(location, file);
    const found = await sha256OfFile(file);
    if (found === sha256) return;
    throw new ScratchpadError('VM_BOX_CORRUPT', `${location} is not the pinned archive.`, {
      hint: 'Fetch it again, or correct SCRATCHPAD_BOX_TREE_SHA256 if its maker published a new one.',
      details: { expected: sha256, found },
    });
  } catch (error) {
    await rm(file, { force: true });
    throwIfAborted(signal);
    if (error instanceof ScratchpadError) throw error;
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new ScratchpadError(
      full ? 'DISK_FULL' : 'VM_BOX_BUILD_FAILED',
      `The box's file tree cannot be had from ${location}.`,
      {
        cause: error,
        hint: full
          ? 'It needs about 100 MB in the cache (SCRATCHPAD_CACHE_DIR).'
          : 'Check the address and the network, or unset SCRATCHPAD_BOX_TREE to build from packages.',
      },
    );
  }
}

async function download(url: string, file: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file), { signal });
}
