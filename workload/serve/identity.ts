/**
 * Who runs here: read from the operating system through the `node:` modules that Node, Deno and Bun
 * share. Hashes are taken of the files as this machine sees them, so that the harness can prove
 * from outside which program and which runtime really run inside a container or a VM.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Platform } from '../routes/health.ts';

export function readIdentity(
  runtime: Platform['runtime'],
  runtimeVersion: string,
): Pick<Platform, 'runtime' | 'runtimeVersion' | 'pid' | 'startedAt' | 'host'> {
  return {
    runtime,
    runtimeVersion,
    pid: process.pid,
    startedAt: new Date(performance.timeOrigin).toISOString(),
    host: { bootId: readBootId(), hostname: hostname(), kernel: release() },
  };
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null; // not Linux
  }
}

/**
 * SHA-256 over the sorted `sha256  path` lines of all files in `folder` but artifact.json (which
 * holds this very hash), the way the build computed it; and of the running executable.
 */
export async function verifyArtifact(
  folder: string,
): Promise<{ artifactSha256: string; runtimeSha256: string }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = relative(folder, file).split(sep).join('/');
    if (path !== 'artifact.json') lines.push(`${await sha256OfFile(file)}  ${path}`);
  }
  lines.sort();
  return {
    artifactSha256: createHash('sha256').update(lines.join('\n')).digest('hex'),
    runtimeSha256: await sha256OfFile(process.execPath),
  };
}

/**
 * Hashing 130 MB is a second of CPU, and anyone may ask for it: it is done once a process, however
 * many ask, and again only where it failed.
 */
export function doneOnce<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | null = null;
  return () => {
    result ??= work().catch((error: unknown) => {
      result = null;
      throw error;
    });
    return result;
  };
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
