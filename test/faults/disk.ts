/** Small and read-only disks of the test's own. They need root; `needs: ['disk']` guards. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export interface SmallDisk {
  folder: string;
  /** Takes all that is free. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  /** Writable no more. */
  lock(): void;
}

/** A tmpfs of so many MiB on a new folder, unmounted at the end of the test. */
export function smallDisk(t: Pick<TestContext, 'after'>, mib: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'scratchpad-fault', folder]);
  t.after(() => {
    execFileSync('umount', ['-l', folder]);
    rmdirSync(folder);
  });
  const filler = join(folder, 'filler');
  return {
    folder,
    fill() {
      const descriptor = openSync(filler, 'w');
      const page = Buffer.alloc(4096);
      try {
        for (let left = 1_000_000; left > 0 && statfsSync(folder).bfree > 0; left--) {
          writeSync(descriptor, page);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(descriptor);
      }
    },
    free: () => rmSync(filler),
    lock: () => execFileSync('mount', ['-o', 'remount,ro', folder]),
  };
}
