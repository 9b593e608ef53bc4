/**
 * Dirty pages outlive the window that made them. After a window closes the file system under the
 * target's files is synced, so that what the device writes until then holds all of the window's
 * writes. Not before it: that would stall the load.
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Measured, unavailable } from '../record/measured.ts';
import { readOnce } from './counter-file.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 30_000;

/** The whole disk that holds `path`, as `major:minor` in /proc/diskstats. */
export function deviceOf(path: string): Measured<string> {
  try {
    const { dev } = statSync(path);
    // The kernel's 64-bit dev_t: 12 bits of major above 20 of minor, in the layout of glibc.
    const device = BigInt(dev);
    const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
    const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
    const id = `${major}:${minor}`;
    if (major === 0n) return unavailable(`${path} is on a file system without a device of its own`);
    // A partition counts for itself in diskstats, which is narrower and so better than its disk.
    return readOnce('/proc/diskstats') === undefined ? unavailable('no /proc/diskstats') : id;
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : String(error));
  }
}

/**
 * `sync -f` of each path: syncs its file system and returns once the device has it. Gives the time
 * it took, or why it could not be done (no coreutils, over 30 s).
 */
export async function syncFileSystems(paths: readonly string[]): Promise<Measured<number>> {
  const before = performance.now();
  try {
    await run('sync', ['-f', ...paths], { timeout: TIMEOUT_MS });
    return performance.now() - before;
  } catch (error) {
    return unavailable(`sync -f: ${error instanceof Error ? error.message : String(error)}`);
  }
}
