/**
 * The one artifact as a read-only disk: the bundle and the Node binary that every target runs, in
 * an ext4 image of fixed bytes, kept in the cache under the hash of its content. Copying 140 MB
 * into the guest (rsync, scp) would take minutes there and be work of every deployment.
 *
 *   /opt/scratchpad/bin/node    /opt/scratchpad/workload/…
 */

import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import type { Artifact, NodeBinary } from '../artifact.ts';
import { lastLines, type Run } from '../command.ts';
import { sha256OfFile } from '../file-hash.ts';
import { vmCacheFolder } from './box.ts';
import { SOURCE_DATE_EPOCH } from './box-recipe.ts';
import { setExt4Times } from './ext4-times.ts';
import { findProgram } from './host.ts';

export interface ArtifactDisk {
  path: string;
  sha256: string;
  bytes: number;
  cached: boolean;
}

export interface ArtifactDiskRequest {
  artifact: Artifact;
  node: NodeBinary;
  run: Run;
  signal: AbortSignal;
}

/** Raised by hand when the image is laid out differently. */
const LAYOUT_VERSION = 2;

/**
 * The image from the cache (its bytes verified), or made.
 * @throws VM_BOX_BUILD_FAILED, DISK_FULL, INTERRUPTED
 */
export async function prepareArtifactDisk(request: ArtifactDiskRequest): Promise<ArtifactDisk> {
  const { artifact, node } = request;
  const key = createHash('sha256')
    .update(JSON.stringify([LAYOUT_VERSION, artifact.sha256, node.sha256]))
    .digest('hex')
    .slice(0, 16);
  const path = join(vmCacheFolder(), `artifact-${key}.ext4`);
  const sum = `${path}.sha256`;
  if (existsSync(path) && existsSync(sum)) {
    const sha256 = await sha256OfFile(path);
    if (sha256 === readFileSync(sum, 'utf8').trim()) return describe(path, sha256, true);
  }
  await make(request, path);
  const sha256 = await sha256OfFile(path);
  writeFileSync(sum, `${sha256}\n`);
  return describe(path, sha256, false);
}

async function make({ artifact, node, run, signal }: ArtifactDiskRequest, path: string) {
  mkdirSync(vmCacheFolder(), { recursive: true });
  const work = `${path}.${process.pid}.building`;
  const tree = join(work, 'tree');
  const image = join(work, 'image');
  rmSync(work, { recursive: true, force: true });
  try {
    mkdirSync(join(tree, 'bin'), { recursive: true });
    cpSync(node.path, join(tree, 'bin', 'node'));
    cpSync(artifact.folder, join(tree, 'workload'), { recursive: true });
    // readable for the guest's service whatever this user's umask is; times fixed, so that the same
    // content gives the same bytes
    await run(
      'sh',
      [
        '-c',
        'chmod -R u=rwX,go=rX "$1" && find "$1" -exec touch -h -d "@$2" {} +',
        'sh',
        tree,
        SOURCE_DATE_EPOCH,
      ],
      { signal },
    );
    const sizeKib =
      Math.ceil((treeBytes(artifact) + statSync(node.path).size) / 1024 / 0.97) + 4096;
    // no journal, since nobody ever writes
    const uuid = '5c2a7c4d-0000-4000-8000-000000005002';
    const result = await run(
      findProgram('mke2fs') ?? 'mke2fs',
      [
        '-q',
        '-F',
        '-t',
        'ext4',
        '-b',
        '4096',
        '-m',
        '0',
        '-L',
        'artifact',
        '-N',
        '4096',
        '-O',
        '^has_journal,^metadata_csum',
        '-U',
        uuid,
        '-E',
        `hash_seed=${uuid},root_owner=0:0`,
        '-d',
        tree,
        image,
        `${sizeKib}k`,
      ],
      { signal, env: { E2FSPROGS_FAKE_TIME: SOURCE_DATE_EPOCH, LC_ALL: 'C' } },
    );
    if (result.code !== 0) {
      const full = /No space left/.test(result.stderr) && !/allocate block/.test(result.stderr);
      throw new ScratchpadError(
        full ? 'DISK_FULL' : 'VM_BOX_BUILD_FAILED',
        'The disk with the workload could not be made.',
        {
          cause: lastLines(result.stderr, 3),
          hint: `It needs about 150 MB in ${vmCacheFolder()} (SCRATCHPAD_CACHE_DIR) and mke2fs (package e2fsprogs).`,
        },
      );
    }
    setExt4Times(image, Number(SOURCE_DATE_EPOCH));
    renameSync(image, path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function treeBytes(artifact: Artifact): number {
  return Object.values(artifact.files).reduce((sum, { bytes }) => sum + bytes + 4096, 0);
}

function describe(path: string, sha256: string, cached: boolean): ArtifactDisk {
  return { path, sha256, bytes: statSync(path).size, cached };
}
