/** Bytes of files on disk: what the file system gave (`st_blocks`·512) and what they claim to be. */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { type Measured, unavailable } from '../record/measured.ts';

export interface DiskUsage {
  allocatedBytes: Measured<number>;
  apparentBytes: Measured<number>;
}

/** Of a file or a whole tree; a hard link is counted once; what vanishes meanwhile is left out. */
export function diskUsage(path: string): DiskUsage {
  const seen = new Set<string>();
  const total = { allocated: 0, apparent: 0 };
  const add = (stats: Stats) => {
    const inode = `${stats.dev}:${stats.ino}`;
    if (seen.has(inode)) return;
    seen.add(inode);
    total.allocated += stats.blocks * 512;
    if (!stats.isDirectory()) total.apparent += stats.size;
  };
  const walk = (at: string, stats: Stats) => {
    add(stats);
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(at)) {
      const below = join(at, name);
      const found = lstatSync(below, { throwIfNoEntry: false });
      if (found) walk(below, found);
    }
  };
  try {
    walk(path, lstatSync(path));
  } catch (error) {
    const why = unavailable(`${path}: ${(error as NodeJS.ErrnoException).code}`);
    return { allocatedBytes: why, apparentBytes: why };
  }
  return {
    // Windows has no st_blocks
    allocatedBytes:
      process.platform === 'win32' ? unavailable('no st_blocks on Windows') : total.allocated,
    apparentBytes: total.apparent,
  };
}
