/**
 * A "newc" cpio archive, the format of a Linux initramfs: written here rather than by cpio(1), so
 * that the bytes depend on the content alone (no inode numbers, times or owners of the host).
 * Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
 */

export interface CpioEntry {
  /** Path inside the archive, without a leading slash; its folders are added by themselves. */
  path: string;
  data: Uint8Array;
  /** Permission bits. */
  mode: number;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** The archive as one buffer; entries in the order given, each folder before its first content. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const folders = new Set<string>();
  let inode = 1;
  const add = (name: string, mode: number, data: Uint8Array): void => {
    parts.push(header(name, mode, data.byteLength, inode), padded(data));
    inode += 1;
  };
  for (const { path, data, mode } of entries) {
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth += 1) {
      const folder = names.slice(0, depth).join('/');
      if (folders.has(folder)) continue;
      folders.add(folder);
      add(folder, S_IFDIR | 0o755, new Uint8Array());
    }
    add(path, S_IFREG | mode, data);
  }
  parts.push(header('TRAILER!!!', 0, 0, 0));
  return Buffer.concat(parts);
}

function header(name: string, mode: number, size: number, inode: number): Buffer {
  const links = 1;
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
  // namesize (with its NUL), check
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.length + 1, 0];
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return padded(Buffer.from(`${text}${name}\0`, 'latin1'));
}

/** To a multiple of four bytes. */
function padded(data: Uint8Array): Buffer {
  const rest = (4 - (data.byteLength % 4)) % 4;
  return Buffer.concat([data, Buffer.alloc(rest)]);
}
