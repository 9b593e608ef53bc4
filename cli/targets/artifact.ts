/**
 * The one artifact: the bundled workload plus the native libSQL package, and the pinned Node binary.
 * `dist/workload/artifact.json` is written by the build and read here. Deno and Bun: runtime.ts.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { pinnedNode } from '../bin/pinned-node.js';
import { ScratchpadError } from '../errors.ts';
import { artifactFolder } from '../host/paths.ts';
import { sha256OfProgram } from './file-hash.ts';
import type { RuntimeName } from './target.ts';

export interface Artifact {
  folder: string;
  /** Entry of the Node runtime, relative to `folder`. */
  entry: string;
  /** Entry of each runtime, relative to `folder`. */
  entries: Record<RuntimeName, string>;
  /** SHA-256 over the sorted list of `sha256  path` lines of all files. */
  sha256: string;
  files: Record<string, { sha256: string; bytes: number }>;
}

export interface NodeBinary {
  path: string;
  version: string;
  sha256: string;
  /** False where no pinned package exists for this platform and the host's own Node is used. */
  pinned: boolean;
}

export function readArtifact(folder = artifactFolder): Artifact {
  const file = join(folder, 'artifact.json');
  if (!existsSync(file)) {
    throw new ScratchpadError('ARTIFACT_MISSING', `The workload has not been built: no ${file}`, {
      hint: 'Run `npm run build`.',
    });
  }
  return { folder, ...(JSON.parse(readFileSync(file, 'utf8')) as Omit<Artifact, 'folder'>) };
}

/** The pinned Node for this host, or the running one where no package is published for it. */
export async function nodeBinary(): Promise<NodeBinary> {
  const pinned = pinnedNode();
  // Not installed (npm ci --omit=optional): the running Node stands in, and the record says so.
  const { path, version } = pinned ?? runningNode();
  const real = realpathSync(path);
  return { path: real, version, pinned: pinned !== null, sha256: await sha256OfProgram(real) };
}

/** @throws RUNTIME_MISSING where the CLI itself runs on Deno: its program is no Node */
function runningNode(): { path: string; version: string } {
  if (process.versions['deno'] === undefined) {
    return { path: process.execPath, version: process.versions.node };
  }
  throw new ScratchpadError('RUNTIME_MISSING', 'The pinned Node is not installed.', {
    hint: 'Run `npm ci --include=optional`, or choose `--runtime deno`.',
  });
}

/** What a reader must know where the host's own Node stands in for the pinned one. */
export function pinWarnings({ pinned, version }: NodeBinary): string[] {
  return pinned
    ? []
    : [`the pinned Node is not installed: this host's Node ${version} runs the workload`];
}
