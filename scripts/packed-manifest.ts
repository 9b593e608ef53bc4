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

const LIBC: Record<string, string> = { gnu: 'glibc', musl: 'musl' };

/** Where native packages like `linux-x64-gnu` run, in the words of a manifest. Pure. */
export function platformsOf(nativeTargets: readonly string[]): {
  os: string[];
  cpu: string[];
  libc?: string[];
} {
  const parts = nativeTargets.map((target) => target.split('-') as [string, string, string?]);
  const unique = (values: string[]) => [...new Set(values)].sort();
  const libc = unique(parts.flatMap(([, , name]) => LIBC[name ?? ''] ?? []));
  return {
    os: unique(parts.map(([os]) => os)),
    cpu: unique(parts.map(([, cpu]) => cpu)),
    ...(libc.length > 0 ? { libc } : {}),
  };
}

/**
 * The manifest of the package. `nativeTargets`: of the artifact that is packed. Its native libSQL is
 * the packing machine's, so on another system npm refuses the package, instead of installing one
 * whose every deployment fails. Pure.
 */
export function packedManifest(manifest: Manifest, nativeTargets: readonly string[]): Manifest {
  const { scripts: _scripts, devDependencies: _dev, ...rest } = manifest;
  const dependencies = Object.fromEntries(
    LOADED.map((name) => [name, manifest.dependencies[name]!]),
  );
  return { ...rest, ...platformsOf(nativeTargets), dependencies };
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
    const artifact = readFileSync(join(root, 'dist', 'workload', 'artifact.json'), 'utf8');
    const { nativeTargets } = JSON.parse(artifact) as { nativeTargets: string[] };
    const packed = packedManifest(JSON.parse(text) as Manifest, nativeTargets);
    writeFileSync(file, `${JSON.stringify(packed, null, 2)}\n`);
  }
}
