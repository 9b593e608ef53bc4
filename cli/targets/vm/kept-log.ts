/**
 * The logs of a machine that failed outlive it: `destroy` removes the deployment's folder, and what
 * the serial console said is all that explains a boot that went wrong.
 *
 *   <state>/failed/vm-<id>-console.log   the last MAX_BYTES of it; the newest MAX_FILES are kept
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateFolder } from '../../host/paths.ts';
import { endOfFile } from '../log-file.ts';

const MAX_BYTES = 1024 * 1024;
const MAX_FILES = 20;

/** Returns where it is now, or `path` itself where it cannot be copied (a full disk). */
export function keepLog(id: string, path: string): string {
  const folder = join(stateFolder(), 'failed');
  const kept = join(folder, `vm-${id}-console.log`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(kept, endOfFile(path, MAX_BYTES), { mode: 0o600 });
    const byAge = readdirSync(folder)
      .map((name) => join(folder, name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    for (const old of byAge.slice(MAX_FILES)) rmSync(old, { force: true });
    return kept;
  } catch {
    return path;
  }
}
