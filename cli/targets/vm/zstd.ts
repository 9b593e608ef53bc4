/** zstd, which Node has had since 22.15: an older one (no pinned Node here) says so when asked. */
import * as zlib from 'node:zlib';

export function unpackZstd(data: Uint8Array): Buffer {
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (data: Uint8Array) => Buffer };
  if (zstdDecompressSync === undefined) {
    throw new Error(`Node ${process.versions.node} cannot unpack zstd: Node 22.15 or newer can`);
  }
  return zstdDecompressSync(data);
}
