/**
 * Bytes on disk: allocated (`st_blocks` · 512, what it costs) and apparent (`st_size`, what it
 * says). A sparse disk image or a compressing file system sets them far apart.
 */
import { lstatSync, type Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Measured } from '../record/measured.ts';
import { unavailable } from '../record/measured.ts';

export interface TreeSize {
  allocatedBytes: number;
  apparentBytes: number;
  files: number;
  folders: number;
}

/**
 * The size of a file or of a folder with all below it, as `du` counts it: hard links once, symbolic
 * links not followed, other file systems not entered. Unavailable where the path does not exist or
 * a part of it can't be read: a sum without that part would be too small. What disappears while it
 * is being counted is left out.
 */
export async function measureTree(path: string): Promise<Measured<TreeSize>> {
  const size: TreeSize = { allocatedBytes: 0, apparentBytes: 0, files: 0, folders: 0 };
  const seen = new Set<string>();
  const count = (stats: Stats) => {
    if (stats.nlink > 1 && !stats.isDirectory()) {
      const inode = `${stats.dev}:${stats.ino}`;
      if (seen.has(inode)) return;
      seen.add(inode);
    }
    // Windows has no blocks: there, allocated is what it says.
    size.allocatedBytes += stats.blocks === undefined ? stats.size : stats.blocks * 512;
    size.apparentBytes += stats.size;
    if (stats.isDirectory()) size.folders += 1;
    else size.files += 1;
  };
  try {
    const root = await lstat(path);
    count(root);
    const folders = root.isDirectory() ? [path] : [];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const inside = folder;
      const entries = await opendir(inside).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' && inside !== path) return undefined;
        throw error;
      });
      if (entries === undefined) continue;
      for await (const entry of entries) {
        const each = join(inside, entry.name);
        const stats = statOrGone(each);
        if (stats === undefined || stats.dev !== root.dev) continue;
        count(stats);
        if (stats.isDirectory()) folders.push(each);
      }
    }
    return size;
  } catch (error) {
    const { code, path: where = path, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return unavailable(`${path} does not exist`);
    if (code === 'EACCES' || code === 'EPERM') return unavailable(`no permission to read ${where}`);
    return unavailable(message);
  }
}

/** Synchronous: an asynchronous lstat per file makes a tree of 10,000 files three times as slow. */
function statOrGone(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
