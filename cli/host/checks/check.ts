/** One thing that a host has or lacks, and what it is for. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Run, runCommand } from '../../targets/command.ts';

export type CheckStatus =
  | 'ok'
  /** Works, but less well: the text says how. */
  | 'limited'
  | 'missing'
  /** Not there, and nothing needs it here. */
  | 'not needed';

export interface Check {
  name: string;
  status: CheckStatus;
  /** What was found, in words. */
  found: string;
  /** The exact command or step that mends it; null where nothing has to be done. */
  mend: string | null;
  /** Which targets it is for; 'all': nothing runs without it. */
  for: 'all' | 'bare' | 'docker' | 'vm';
}

/** What the checks ask of the host: a fake in tests. */
export interface HostAccess {
  run: Run;
  /** Path of a program on PATH or in the folders of the superuser; null where there is none. */
  which(name: string): string | null;
  exists(path: string): boolean;
  writable(path: string): boolean;
  /** Does a web server answer at all, whatever its status? Bounded. */
  answers(url: string): Promise<boolean>;
  platform: NodeJS.Platform;
}

const ANSWER_TIMEOUT_MS = 3_000;
const MORE_FOLDERS = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/usr/local/bin', '/usr/bin'];

export const thisHost: HostAccess = {
  run: runCommand,
  platform: process.platform,
  which(name) {
    const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS];
    const names = process.platform === 'win32' ? [`${name}.exe`, `${name}.cmd`] : [name];
    for (const folder of folders.filter(Boolean)) {
      for (const each of names) if (isExecutable(join(folder, each))) return join(folder, each);
    }
    return null;
  },
  exists: existsSync,
  async answers(url) {
    try {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const response = await fetch(url, { method: 'HEAD', signal });
      await response.body?.cancel();
      return true;
    } catch {
      return false;
    }
  },
  writable(path) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
