/**
 * The box: a root disk, a kernel and an initramfs, kept in the cache under the hash of their
 * recipe and verified by SHA-256 before each use. Same for both providers.
 *
 *   <cache>/vm/box-<key>/  root.qcow2  vmlinux  initrd.img  box.json
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ScratchpadError } from '../../errors.ts';
import { cacheFolder, infraFolder } from '../../host/paths.ts';
import type { Run } from '../command.ts';
import { sha256OfFile } from '../file-hash.ts';
import type { Progress } from '../target.ts';
import { buildBox } from './box-build.ts';
import { boxRecipe } from './box-recipe.ts';
import type { GuestArchitecture } from './host.ts';
import { removeLeftOvers } from './left-overs.ts';

const fileSchema = z.object({ sha256: z.string(), bytes: z.number() });

const boxSchema = z.object({
  schemaVersion: z.literal(1),
  key: z.string(),
  distribution: z.string(),
  codename: z.string(),
  architecture: z.string(),
  kernelPackage: z.string(),
  /** False where the kernel is booted packed, because it has no PVH entry. */
  kernelUnpacked: z.boolean(),
  files: z.object({ 'root.qcow2': fileSchema, vmlinux: fileSchema, 'initrd.img': fileSchema }),
});

export type BoxManifest = z.infer<typeof boxSchema>;
export type BoxFile = keyof BoxManifest['files'];
export const BOX_FILES: readonly BoxFile[] = ['root.qcow2', 'vmlinux', 'initrd.img'];

export interface Box {
  folder: string;
  manifest: BoxManifest;
  cached: boolean;
  /** Allocated on the host. */
  bytes: number;
}

export interface BoxRequest {
  architecture: GuestArchitecture;
  run: Run;
  progress: Progress;
  signal: AbortSignal;
  /** Default: infra/vm. */
  infra?: string;
}

export function vmCacheFolder(): string {
  return join(cacheFolder(), 'vm');
}

export function boxFile(box: Pick<Box, 'folder'>, name: BoxFile): string {
  return join(box.folder, name);
}

/**
 * The box from the cache, or built. A cached one whose bytes are not what they were is built anew,
 * with a warning: nothing ever boots from a corrupt image.
 * @throws VM_BOX_BUILD_FAILED, VM_PROVIDER_ABSENT where a tool is missing, DISK_FULL, INTERRUPTED,
 *   CLEANUP_INCOMPLETE where what a killed build left cannot be removed
 */
export async function prepareBox(request: BoxRequest): Promise<Box> {
  const { architecture, progress, infra = join(infraFolder, 'vm') } = request;
  const recipe = boxRecipe(architecture, infra);
  const folder = join(vmCacheFolder(), `box-${recipe.key.slice(0, 16)}`);
  if (existsSync(folder)) {
    try {
      return await openBox(folder);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      progress.warn(`${why} It is built again.`);
      rmSync(folder, { recursive: true, force: true });
    }
  }
  progress.step(
    `building the box from the packages of ${recipe.distribution} ${recipe.codename} (once; about a minute)`,
  );
  mkdirSync(vmCacheFolder(), { recursive: true });
  // an earlier build that was killed: its programs would go on beside this one
  await removeLeftOvers(vmCacheFolder(), request.run);
  const work = `${folder}.${process.pid}.building`;
  rmSync(work, { recursive: true, force: true });
  try {
    await buildBox({ ...request, infra, recipe, folder: work });
    try {
      renameSync(work, folder);
    } catch (error) {
      // another process was faster: its box is as good
      if (!existsSync(join(folder, 'box.json'))) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { ...(await openBox(folder)), cached: false };
}

/** What box.json says, its files not looked at. Throws where it cannot be read. */
export function readManifest(folder: string): BoxManifest {
  return boxSchema.parse(JSON.parse(readFileSync(join(folder, 'box.json'), 'utf8')));
}

/**
 * Reads and verifies a box.
 * @throws VM_BOX_CORRUPT where a file is missing or its hash is not that of box.json
 */
export async function openBox(folder: string): Promise<Box> {
  const corrupt = (why: string, cause?: unknown) =>
    new ScratchpadError('VM_BOX_CORRUPT', `The box ${folder} is damaged: ${why}.`, {
      cause,
      hint: `Remove the folder ${folder}; the next deploy builds it again.`,
    });
  let manifest: BoxManifest;
  try {
    manifest = readManifest(folder);
  } catch (error) {
    throw corrupt('its box.json cannot be read', error);
  }
  await Promise.all(
    BOX_FILES.map(async (name) => {
      const found = await sha256OfFile(join(folder, name)).catch(() => null);
      if (found === null) throw corrupt(`${name} is missing`);
      if (found !== manifest.files[name].sha256) throw corrupt(`${name} has changed`);
    }),
  );
  return { folder, manifest, cached: true, bytes: allocatedBytes(folder) };
}

function allocatedBytes(folder: string): number {
  return BOX_FILES.reduce((sum, name) => sum + statSync(join(folder, name)).blocks * 512, 0);
}
