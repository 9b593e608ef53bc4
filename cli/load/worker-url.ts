/**
 * Where the load worker's code is: its own bundle `dist/cli/load/worker.js` beside a built CLI,
 * else the source, with the runtime's type stripping (Node ≥ 22.18) or tsx.
 */
import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageRoot } from '../host/paths.ts';

export interface WorkerEntry {
  url: URL;
  execArgv: string[];
}

/** The entry `name` of cli/load/ (`worker`, `null-server`), and the flags that it needs to run. */
export function workerEntry(name = 'worker'): WorkerEntry {
  const dist = join(packageRoot, 'dist', 'cli');
  const runsFromDist = fileURLToPath(import.meta.url).startsWith(dist + sep);
  const source = join(packageRoot, 'cli', 'load', `${name}.ts`);
  if (runsFromDist || !existsSync(source)) {
    return { url: pathToFileURL(join(dist, 'load', `${name}.js`)), execArgv: [] };
  }
  const stripsTypes = (process.features as { typescript?: unknown }).typescript !== false;
  const isDeno = 'deno' in process.versions;
  return {
    url: pathToFileURL(source),
    execArgv: stripsTypes || isDeno ? [] : ['--import', 'tsx'],
  };
}
