/**
 * Where things are: the package's own files, the user's state, cache and results.
 * Every folder can be moved: `SCRATCHPAD_STATE_DIR`, `SCRATCHPAD_CACHE_DIR`, `SCRATCHPAD_RESULTS_DIR`.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

function findPackageRoot(from: string): string {
  let folder = from;
  while (!existsSync(join(folder, 'package.json')) || !existsSync(join(folder, 'infra'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package root above ${from}`);
    folder = parent;
  }
  return folder;
}

/** The folder with package.json, dist/, infra/ and fixtures/: a checkout or an installed package. */
export const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

/** The one artifact that every target runs: made by `npm run build`. */
export const artifactFolder = join(packageRoot, 'dist', 'workload');
export const infraFolder = join(packageRoot, 'infra');
export const fixturesFolder = join(packageRoot, 'fixtures');

/** Deployments that exist: one file each. */
export function stateFolder(): string {
  return (
    process.env['SCRATCHPAD_STATE_DIR'] ??
    join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'scratchpad')
  );
}

/** Base images, boxes: can be deleted at any time, is made again. */
export function cacheFolder(): string {
  return (
    process.env['SCRATCHPAD_CACHE_DIR'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'scratchpad')
  );
}

/** Records: `results/` where the user stands. */
export function resultsFolder(): string {
  return resolve(process.env['SCRATCHPAD_RESULTS_DIR'] ?? 'results');
}
