/**
 * Makes an ext4 image of mke2fs the same each time: its inodes carry the change and creation times
 * of the files they were copied from, which touch(1) cannot set. mke2fs 1.47.1 can by itself
 * (SOURCE_DATE_EPOCH); Debian 12 and Ubuntu 24.04 have older ones.
 * Layout: Documentation/filesystems/ext4 of the kernel. The image must be made with
 * `-O ^metadata_csum`, since a changed inode would need a new checksum.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const SUPERBLOCK_AT = 1024;
const MAGIC = 0xef53;
const METADATA_CSUM = 0x400;
const INODE_UNINIT = 1;
/** atime, ctime, mtime in the old part of an inode; their extra bits and crtime in the new part. */
const SECONDS_AT = [8, 12, 16, 0x90];
const EXTRA_AT = [0x84, 0x88, 0x8c, 0x94];

/** Sets all times of all inodes to `epochSeconds`. @throws Error where the image is no such ext4 */
export function setExt4Times(path: string, epochSeconds: number): void {
  const fd = openSync(path, 'r+');
  try {
    const superblock = readAt(fd, SUPERBLOCK_AT, 1024);
    if (superblock.readUInt16LE(56) !== MAGIC) throw new Error(`${path} is no ext4 image`);
    if ((superblock.readUInt32LE(100) & METADATA_CSUM) !== 0) {
      throw new Error(`${path} has checksums of its inodes`);
    }
    const blockBytes = 1024 << superblock.readUInt32LE(24);
    const firstBlock = superblock.readUInt32LE(20);
    const inodeBytes = superblock.readUInt16LE(88);
    const inodesPerGroup = superblock.readUInt32LE(40);
    const groups = Math.ceil(superblock.readUInt32LE(0) / inodesPerGroup);
    const descriptorBytes = Math.max(32, superblock.readUInt16LE(254));
    const table = readAt(fd, (firstBlock + 1) * blockBytes, groups * descriptorBytes);
    for (let group = 0; group < groups; group += 1) {
      const descriptor = table.subarray(group * descriptorBytes, (group + 1) * descriptorBytes);
      if ((descriptor.readUInt16LE(18) & INODE_UNINIT) !== 0) continue;
      const high = descriptorBytes >= 64 ? descriptor.readUInt32LE(40) : 0;
      const at = (descriptor.readUInt32LE(8) + high * 2 ** 32) * blockBytes;
      const inodes = readAt(fd, at, inodesPerGroup * inodeBytes);
      setTimes(inodes, inodeBytes, epochSeconds);
      writeSync(fd, inodes, 0, inodes.length, at);
    }
  } finally {
    closeSync(fd);
  }
}

function setTimes(inodes: Buffer, inodeBytes: number, epochSeconds: number): void {
  for (let at = 0; at + inodeBytes <= inodes.length; at += inodeBytes) {
    const isUsed = inodes.readUInt16LE(at) !== 0;
    if (!isUsed) continue;
    for (const field of SECONDS_AT) {
      if (field < inodeBytes) inodes.writeUInt32LE(epochSeconds, at + field);
    }
    for (const field of EXTRA_AT) if (field < inodeBytes) inodes.writeUInt32LE(0, at + field);
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  readSync(fd, buffer, 0, length, position);
  return buffer;
}
