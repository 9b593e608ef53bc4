/**
 * The guest's file tree as the distribution's packages give it, in a tar archive; /kernel holds the
 * kernel and its virtio drivers. Kept in the cache: a change in the guest's own files then makes a
 * new box without a download.
 *
 *   <cache>/vm/packages-<key>.tar  .sha256
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { sha256OfFile } from '../file-hash.ts';
import type { BoxRecipe } from './box-recipe.ts';
import { fetchTree } from './tree-source.ts';

/** Runs a program of the build; throws where it fails. */
export type BuildCall = (
  step: string,
  program: string,
  args: string[],
  input?: string,
) => Promise<unknown>;

export interface PackageTreeRequest {
  recipe: BoxRecipe;
  /** infra/vm */
  infra: string;
  /** The box's cache folder. */
  cache: string;
  /** A folder that the namespace of a build without root can enter. */
  work: string;
  call: BuildCall;
  signal: AbortSignal;
}

/** Path of the verified archive, from the cache or made. */
export async function packageTree(request: PackageTreeRequest): Promise<string> {
  const { recipe, infra, cache, work, call, signal } = request;
  const kept = join(cache, `packages-${recipe.packagesKey.slice(0, 16)}.tar`);
  const sum = `${kept}.sha256`;
  if (existsSync(kept) && existsSync(sum)) {
    if ((await sha256OfFile(kept)) === readFileSync(sum, 'utf8').trim()) return kept;
  }
  if (recipe.tree !== null) {
    const part = `${kept}.${process.pid}.part`;
    await fetchTree(recipe.tree, part, signal);
    renameSync(part, kept);
    writeFileSync(sum, `${recipe.tree.sha256}\n`);
    return kept;
  }
  const hook = join(work, 'download-kernel.sh');
  copyFileSync(join(infra, 'download-kernel.sh'), hook);
  chmodSync(hook, 0o755);
  const made = join(work, 'packages.tar');
  const sources = recipe.sources.map((line) => `${line}\n`).join('');
  await call(
    'make the file tree from packages',
    'mmdebstrap',
    bootstrapArguments(recipe, hook, made),
    sources === '' ? undefined : sources,
  );
  // into the cache by way of a name of its own: another process never sees half of it
  const part = `${kept}.${process.pid}.part`;
  try {
    copyFileSync(made, part);
    const sha256 = await sha256OfFile(part);
    renameSync(part, kept);
    writeFileSync(sum, `${sha256}\n`);
  } finally {
    rmSync(part, { force: true });
    rmSync(made, { force: true });
  }
  return kept;
}

/** Exported for tests. */
export function bootstrapArguments(recipe: BoxRecipe, hook: string, archive: string): string[] {
  return [
    '--variant=extract',
    `--include=${recipe.packages.join(',')}`,
    '--format=tar',
    // an extract hook: with this variant mmdebstrap runs no customize hook
    `--extract-hook="${hook}" "$1" ${recipe.kernel}`,
    recipe.codename,
    archive,
    ...(recipe.sources.length > 0 ? ['-'] : []),
  ];
}
