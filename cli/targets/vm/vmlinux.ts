/**
 * The kernel inside a bzImage, unpacked on the host. Unpacking is work that every boot would do
 * again in the guest: under emulation it takes most of a second. QEMU starts an uncompressed ELF
 * kernel at its PVH entry. Layout: Documentation/arch/x86/boot.rst of the kernel.
 */
import { gunzipSync } from 'node:zlib';
import { unpackZstd } from './zstd.ts';

const BOOT_SIGNATURE_AT = 0x202;
const SETUP_SECTORS_AT = 0x1f1;
const PAYLOAD_OFFSET_AT = 0x248;
const PAYLOAD_LENGTH_AT = 0x24c;
/** Name and type of the ELF note that holds the PVH entry point (XEN_ELFNOTE_PHYS32_ENTRY). */
const PVH_NOTE_TYPE = 18;

/** The ELF kernel, or null where it must be booted as it is (no PVH entry, unknown compression). */
export function unpackKernel(image: Buffer): Buffer | null {
  if (
    image.length < 0x250 ||
    image.toString('latin1', BOOT_SIGNATURE_AT, BOOT_SIGNATURE_AT + 4) !== 'HdrS'
  ) {
    return null;
  }
  // 0 stands for 4, for the oldest boot loaders
  const setupSectors = image[SETUP_SECTORS_AT] || 4;
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(PAYLOAD_OFFSET_AT);
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH_AT));
  const kernel = decompress(payload);
  return kernel !== null && isElf(kernel) && hasPvhEntry(kernel) ? kernel : null;
}

function decompress(payload: Buffer): Buffer | null {
  const magic = payload.subarray(0, 4).toString('hex');
  // the last four bytes are the unpacked size, which the decompressors do not expect
  const data = payload.subarray(0, -4);
  try {
    if (magic === '02214c18') return unpackLz4Legacy(data);
    if (magic.startsWith('1f8b')) return gunzipSync(data);
    if (magic === '28b52ffd') return unpackZstd(data);
  } catch {
    return null;
  }
  return null;
}

function isElf(file: Buffer): boolean {
  return file.subarray(0, 4).toString('latin1') === '\x7fELF' && file[4] === 2;
}

/** Looks through the note segments of a 64-bit little-endian ELF file. */
function hasPvhEntry(elf: Buffer): boolean {
  const headersAt = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  for (let index = 0; index < count; index += 1) {
    const at = headersAt + index * size;
    const isNote = elf.readUInt32LE(at) === 4;
    if (!isNote) continue;
    let note = Number(elf.readBigUInt64LE(at + 8));
    const end = note + Number(elf.readBigUInt64LE(at + 32));
    while (note + 12 <= end) {
      const nameLength = elf.readUInt32LE(note);
      const length = elf.readUInt32LE(note + 4);
      const isXen = elf.toString('latin1', note + 12, note + 15) === 'Xen';
      if (isXen && elf.readUInt32LE(note + 8) === PVH_NOTE_TYPE) return true;
      note += 12 + align4(nameLength) + align4(length);
    }
  }
  return false;
}

function align4(length: number): number {
  return (length + 3) & ~3;
}

/** LZ4's "legacy frame": blocks of at most 8 MiB, each after its packed size. */
export function unpackLz4Legacy(frame: Buffer): Buffer {
  const BLOCK = 8 * 1024 * 1024;
  const blocks: Buffer[] = [];
  let at = 4;
  while (at + 4 <= frame.length) {
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0x184c2102) continue; // another frame begins
    if (at + size > frame.length) throw new Error('lz4: block ends after the file');
    const block = Buffer.allocUnsafe(BLOCK);
    const length = unpackLz4Block(frame.subarray(at, at + size), block);
    blocks.push(block.subarray(0, length));
    at += size;
  }
  return Buffer.concat(blocks);
}

/** One LZ4 block (lz4_Block_format.md): literals, then a copy from what was written before. */
function unpackLz4Block(source: Buffer, target: Buffer): number {
  let from = 0;
  let to = 0;
  const extend = (length: number): number => {
    if (length !== 15) return length;
    let total = length;
    let byte: number;
    do {
      byte = source[from++] ?? 0;
      total += byte;
    } while (byte === 255);
    return total;
  };
  while (from < source.length) {
    const token = source[from++]!;
    const literals = extend(token >> 4);
    source.copy(target, to, from, from + literals);
    from += literals;
    to += literals;
    if (from >= source.length) break; // the last sequence has no copy
    const distance = source[from]! | (source[from + 1]! << 8);
    from += 2;
    if (distance === 0 || distance > to) throw new Error('lz4: copy from before the beginning');
    const length = extend(token & 15) + 4;
    if (to + length > target.length) throw new Error('lz4: block is too large');
    // byte by byte where source and target overlap: that is how runs are written
    if (distance >= length) target.copyWithin(to, to - distance, to - distance + length);
    else
      for (let index = 0; index < length; index += 1)
        target[to + index] = target[to + index - distance]!;
    to += length;
  }
  return to;
}
