/**
 * SHA-256 of files; of large programs it is kept in the cache folder, since reading 126 MB at each
 * deploy costs CPU time beside whatever is measured. A kept hash belongs to a path with this size,
 * inode, change and modification time. What it says is proved later: the workload hashes the program
 * that runs it, and verify.ts compares.
 */
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheFolder } from '../host/paths.ts';

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** `path` is real, not a link. A cache that cannot be read or written is no error. */
export async function sha256OfProgram(path: string): Promise<string> {
  const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const key = createHash('sha256')
    .update([path, size, ino, mtimeNs, ctimeNs].join('\0'))
    .digest('hex');
  const file = join(cacheFolder(), 'program-hashes', key.slice(0, 24));
  const kept = read(file);
  if (kept !== null) return kept;
  const sha256 = await sha256OfFile(path);
  write(file, sha256);
  return sha256;
}

function read(file: string): string | null {
  try {
    return /^[0-9a-f]{64}$/.exec(readFileSync(file, 'utf8').trim())?.[0] ?? null;
  } catch {
    return null;
  }
}

function write(file: string, sha256: string): void {
  const draft = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(draft, `${sha256}\n`);
    renameSync(draft, file);
  } catch {
    // hashed again next time
  }
}
