/**
 * What `npm pack` publishes as package.json: the bundles hold their libraries, so a user installs
 * only what is loaded at run time, and no script runs on the user's machine. npm takes the file
 * from the disk, so `prepack` puts this one there and `postpack` the checkout's back; one that a
 * killed `npm pack` left is put back by the next `prepack`.
 *
 *     tsx scripts/packed-manifest.ts packed | checkout
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Manifest {
  scripts?: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
  [field: string]: unknown;
}

/** Loaded at run time beside the bundles: the database benchmark of fixtures/ imports it. */
const LOADED = ['@libsql/client'];

/** The manifest of the package. Pure. */
export function packedManifest(manifest: Manifest): Manifest {
  const { scripts: _scripts, devDependencies: _dev, ...rest } = manifest;
  const dependencies = Object.fromEntries(
    LOADED.map((name) => [name, manifest.dependencies[name]!]),
  );
  return { ...rest, dependencies };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const file = join(root, 'package.json');
  const kept = join(root, 'dist', 'package.json.checkout');
  const restore = () => {
    if (existsSync(kept)) renameSync(kept, file);
  };
  restore();
  if (process.argv[2] === 'packed') {
    const text = readFileSync(file, 'utf8');
    writeFileSync(kept, text);
    writeFileSync(file, `${JSON.stringify(packedManifest(JSON.parse(text)), null, 2)}\n`);
  }
}
