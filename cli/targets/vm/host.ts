/**
 * What this host offers to a virtual machine: an emulator, hardware acceleration, the tools that
 * build a box. Looked at afresh each time: it is cheap, and a `doctor --install` changes it.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type GuestArchitecture = 'amd64' | 'arm64';

/** A machine's architecture is the host's: anything else would be emulated even with KVM. */
export function guestArchitecture(arch: string = process.arch): GuestArchitecture | null {
  if (arch === 'x64') return 'amd64';
  if (arch === 'arm64') return 'arm64';
  return null;
}

export function emulatorName(architecture: GuestArchitecture): string {
  return architecture === 'amd64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
}

/** Absolute path of a program on PATH or in the folders of the system's own tools; else null. */
export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | null {
  // mke2fs and libvirtd live in sbin, which a normal user's PATH often lacks
  for (const folder of [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']) {
    if (folder === '') continue;
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here
    }
  }
  return null;
}

export interface Acceleration {
  kind: 'kvm' | 'tcg';
  /** Why not KVM, in words that can be shown; null with KVM. */
  reason: string | null;
}

/** KVM where /dev/kvm can be opened by this user, else emulation. `device` for tests. */
export function acceleration(device = '/dev/kvm'): Acceleration {
  if (process.platform !== 'linux') return { kind: 'tcg', reason: `no KVM on ${process.platform}` };
  if (!existsSync(device)) return { kind: 'tcg', reason: `no ${device}` };
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return { kind: 'kvm', reason: null };
  } catch {
    return {
      kind: 'tcg',
      reason: `${device} is not open to this user (add it to the group kvm: \`sudo usermod -aG kvm $USER\`)`,
    };
  }
}

/** Shown wherever the figures of an emulated machine are. */
export const EMULATED_WARNING =
  'emulated (tcg): no usable hardware virtualisation here, so this says nothing about VMs in general';

interface Tool {
  program: string;
  package: string;
}

/** What a box is made with out of a file tree, and the package of each. */
const DISK_TOOLS: readonly Tool[] = [
  { program: 'mke2fs', package: 'e2fsprogs' },
  { program: 'qemu-img', package: 'qemu-utils' },
  { program: 'tar', package: 'tar' },
];

/** What the file tree is made with out of the distribution's packages. */
const TREE_TOOLS: readonly Tool[] = [
  { program: 'mmdebstrap', package: 'mmdebstrap' },
  { program: 'dpkg-deb', package: 'dpkg' },
];

/** `hasTree`: the tree comes from elsewhere (tree-source.ts). */
export function missingTools(hasTree: boolean): Tool[] {
  const tools = hasTree ? DISK_TOOLS : [...TREE_TOOLS, ...DISK_TOOLS];
  return tools.filter(({ program }) => findProgram(program) === null);
}
