/** One line of a StorageReading, from a path. */
import { measureTree } from '../meters/storage.ts';
import { isUnavailable } from '../record/measured.ts';
import type { StorageReading } from './target.ts';

export type StoragePart = StorageReading['parts'][number];

/** Unavailable, with the reason, where the path cannot be read. */
export async function storagePart(
  name: string,
  kind: StoragePart['kind'],
  path: string,
): Promise<StoragePart> {
  const size = await measureTree(path);
  const source = `lstat ${path}`;
  if (isUnavailable(size)) return { name, kind, allocatedBytes: size, apparentBytes: size, source };
  const { allocatedBytes, apparentBytes } = size;
  return { name, kind, allocatedBytes, apparentBytes, source };
}
