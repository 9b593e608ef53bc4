/**
 * What is left where the process that builds a box is killed (SIGKILL runs no `finally`): programs
 * that go on without it, a work folder of up to 1 GB, half-made files in the cache. Found by names
 * that say who made them, so that a build under way is never taken for one.
 *
 *   <tmp>/scratchpad-box-<owner>-<pid>-<start ticks>-XXXXXX    the work folder, TMPDIR of its programs
 *   <cache>/vm/*.<pid>.building  *.<pid>.part                  half-made files
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import type { Run } from '../command.ts';
import { findMarked, identify, isAlive, terminate } from '../process-identity.ts';
import { ownerTag } from '../state.ts';
import { asRoot } from './as-root.ts';

const prefix = () => `scratchpad-box-${ownerTag()}-`;

/** A work folder of this process, in the temporary folder. */
export function makeWorkFolder(): string {
  const { pid, startTicks } = identify(process.pid);
  return mkdtempSync(join(temporaryFolder(), `${prefix()}${pid}-${startTicks ?? ''}-`));
}

/** Its real path: as such it is TMPDIR of the build's programs, and in the table of mounts. */
function temporaryFolder(): string {
  try {
    return realpathSync(tmpdir());
  } catch {
    return tmpdir(); // there is none
  }
}

/**
 * Ends and removes what builders that have died left, of this state folder and this cache.
 * @returns what was removed, in words
 * @throws CLEANUP_INCOMPLETE where a program does not end or something is mounted there
 */
export async function removeLeftOvers(cache: string, run: Run): Promise<string[]> {
  const removed: string[] = [];
  const temporary = temporaryFolder();
  for (const name of namesIn(temporary)) {
    if (!name.startsWith(prefix())) continue;
    const [, pid, ticks] = /^(\d+)-(\d*)-/.exec(name.slice(prefix().length)) ?? [];
    if (pid === undefined) continue;
    if (isAlive({ pid: Number(pid), startTicks: ticks ? Number(ticks) : null })) continue;
    const folder = join(temporary, name);
    await removeWorkFolder(folder, run);
    removed.push(`unfinished box ${folder}`);
  }
  for (const name of namesIn(cache)) {
    const pid = /\.(\d+)\.(?:building|part)$/.exec(name)?.[1];
    if (pid === undefined || isAlive({ pid: Number(pid), startTicks: null })) continue;
    rmSync(join(cache, name), { recursive: true, force: true });
    removed.push(`half-made ${join(cache, name)}`);
  }
  return removed;
}

async function removeWorkFolder(folder: string, run: Run): Promise<void> {
  const left = await terminate(findMarked('TMPDIR', folder), 2_000);
  const mounted = mountsBelow(folder);
  if (left.length > 0 || mounted.length > 0) {
    const what = [...left.map(({ pid }) => `process ${pid}`), ...mounted].join(', ');
    throw new ScratchpadError('CLEANUP_INCOMPLETE', `${folder} is still in use by: ${what}.`, {
      hint: 'End what is named (`umount` what is mounted), then run `scratchpad down --all` again.',
    });
  }
  // what the namespace's root made belongs to another user id: only it can remove it
  if (process.getuid?.() !== 0) {
    chmodSync(folder, 0o755);
    await run(...asRoot(['sh', '-c', 'rm -rf "$1"/*/*', 'sh', folder])).catch(() => {});
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Removing a folder in which /dev is mounted would remove the host's devices. */
function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => (line.split(' ')[4] ?? '').replace(/\\040/g, ' '))
    .filter((path) => path.startsWith(`${folder}/`));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // never made
  }
}
