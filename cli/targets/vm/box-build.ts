/**
 * Builds a box: packages → tree (mmdebstrap) → disk image (mke2fs -d, nothing is mounted) → qcow2;
 * beside it the kernel, unpacked, and an initramfs of a shell and ten drivers.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ScratchpadError } from '../../errors.ts';
import { type CommandResult, lastLines, type Run, type RunOptions } from '../command.ts';
import { sha256OfFile } from '../file-hash.ts';
import { OWNER_MARKER } from '../process-identity.ts';
import { ownerTag } from '../state.ts';
import { asRoot } from './as-root.ts';
import type { BoxManifest } from './box.ts';
import { type BoxRecipe, KERNEL_MODULES, ROOT_DISK_SIZE, SOURCE_DATE_EPOCH } from './box-recipe.ts';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import { setExt4Times } from './ext4-times.ts';
import { findProgram, missingTools } from './host.ts';
import { moduleName, moduleOrder } from './kernel-modules.ts';
import { makeWorkFolder } from './left-overs.ts';
import { packageTree } from './package-tree.ts';
import { unpackKernel } from './vmlinux.ts';
import { unpackZstd } from './zstd.ts';

const BUILD_TIMEOUT_MS = 10 * 60_000;

export interface BuildRequest {
  recipe: BoxRecipe;
  /** infra/vm */
  infra: string;
  /** Where the box is to be; made here. */
  folder: string;
  run: Run;
  signal: AbortSignal;
}

/** @throws VM_PROVIDER_ABSENT, VM_BOX_BUILD_FAILED, DISK_FULL, INTERRUPTED */
export async function buildBox(request: BuildRequest): Promise<void> {
  const { recipe, infra, folder, run, signal } = request;
  const missing = missingTools(recipe.tree !== null);
  if (missing.length > 0) throw toolsMissing(missing);
  // below /tmp, not in the cache: in the user namespace of a build without root, other folders of
  // this user cannot be entered
  const work = makeWorkFolder();
  chmodSync(work, 0o711);
  const disk = join(work, 'disk');
  mkdirSync(disk);
  chmodSync(disk, 0o777);
  const options: RunOptions = {
    signal,
    timeoutMs: BUILD_TIMEOUT_MS,
    // marked, so that `down --all` ends what a SIGKILL of this process leaves running
    env: { TMPDIR: work, SOURCE_DATE_EPOCH, LC_ALL: 'C', TZ: 'UTC', [OWNER_MARKER]: ownerTag() },
  };
  const call = async (step: string, file: string, args: string[], input?: string) => {
    const result = await run(findProgram(file) ?? file, args, { ...options, input });
    if (result.code !== 0) throw buildFailed(step, result);
    return result;
  };
  try {
    const tree = await packageTree({ recipe, infra, cache: dirname(folder), work, call, signal });
    await call('pack the guest’s own files', 'tar', [
      '-C',
      join(infra, 'guest'),
      '--sort=name',
      // whatever the umask was under which this package was unpacked: /, /etc and the service's own
      // program must be open to the service's user
      '--mode=u=rwX,go=rX',
      '-cf',
      join(work, 'guest.tar'),
      '.',
    ]);
    // beside each other in the work folder, since the cache may be closed to the namespace's root
    copyFileSync(join(infra, 'make-disk.sh'), join(work, 'make-disk.sh'));
    copyFileSync(tree, join(work, 'packages.tar'));
    for (const name of ['make-disk.sh', 'packages.tar', 'guest.tar']) {
      chmodSync(join(work, name), 0o644);
    }
    const makeDisk = [
      join(work, 'make-disk.sh'),
      join(work, 'packages.tar'),
      join(work, 'guest.tar'),
      disk,
      ROOT_DISK_SIZE,
    ];
    await call('make the disk image', ...asRoot(['sh', ...makeDisk]));
    setExt4Times(join(disk, 'root.ext4'), Number(SOURCE_DATE_EPOCH));
    mkdirSync(folder, { recursive: true });
    await call('convert the disk image', 'qemu-img', [
      'convert',
      '-f',
      'raw',
      '-O',
      'qcow2',
      join(disk, 'root.ext4'),
      join(folder, 'root.qcow2'),
    ]);
    const packed = readFileSync(join(disk, 'vmlinuz'));
    const unpacked = recipe.architecture === 'amd64' ? unpackKernel(packed) : null;
    writeFileSync(join(folder, 'vmlinux'), unpacked ?? packed);
    writeFileSync(join(folder, 'initrd.img'), initramfs(disk, infra));
    await writeManifest(
      folder,
      recipe,
      readFileSync(join(disk, 'kernel-package'), 'utf8').trim(),
      unpacked !== null,
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw diskFull(error);
    throw error;
  } finally {
    // what the namespace's root made belongs to another user id: only it can remove it
    if (process.getuid?.() !== 0) {
      await run(...asRoot(['sh', '-c', 'rm -rf "$1"/*', 'sh', disk])).catch(() => {});
    }
    rmSync(work, { recursive: true, force: true });
  }
}

function initramfs(disk: string, infra: string): Buffer {
  const folder = join(disk, 'modules');
  const available = new Map(
    readdirSync(folder)
      .sort()
      .map((file) => [
        moduleName(file.replace(/\.(xz|zst|gz)$/, '')),
        readModule(join(folder, file)),
      ]),
  );
  const empty = new Uint8Array();
  const entries: CpioEntry[] = [
    { path: 'init', mode: 0o755, data: readFileSync(join(infra, 'initramfs-init.sh')) },
    { path: 'bin/busybox', mode: 0o755, data: readFileSync(join(disk, 'busybox')) },
    ...['dev', 'proc', 'sys', 'root'].map((name) => ({
      path: `${name}/.keep`,
      mode: 0o644,
      data: empty,
    })),
    ...moduleOrder(KERNEL_MODULES, available).map((name, index) => ({
      // numbered: the shell's glob loads them in this order
      path: `modules/${String(index).padStart(2, '0')}-${name}.ko`,
      mode: 0o644,
      data: available.get(name)!,
    })),
  ];
  return cpioArchive(entries);
}

function readModule(file: string): Buffer {
  const data = readFileSync(file);
  if (file.endsWith('.gz')) return gunzipSync(data);
  if (file.endsWith('.zst')) return unpackZstd(data);
  if (file.endsWith('.xz')) {
    // download-kernel.sh unpacks these: Node has no decoder
    throw new ScratchpadError(
      'VM_BOX_BUILD_FAILED',
      `The kernel module ${file} is packed with xz.`,
    );
  }
  return data;
}

async function writeManifest(
  folder: string,
  recipe: BoxRecipe,
  kernelPackage: string,
  kernelUnpacked: boolean,
): Promise<void> {
  const describe = async (name: string) => ({
    sha256: await sha256OfFile(join(folder, name)),
    bytes: statSync(join(folder, name)).size,
  });
  const manifest: BoxManifest = {
    schemaVersion: 1,
    key: recipe.key,
    distribution: recipe.distribution,
    codename: recipe.codename,
    architecture: recipe.architecture,
    kernelPackage,
    kernelUnpacked,
    files: {
      'root.qcow2': await describe('root.qcow2'),
      vmlinux: await describe('vmlinux'),
      'initrd.img': await describe('initrd.img'),
    },
  };
  writeFileSync(join(folder, 'box.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function toolsMissing(missing: ReturnType<typeof missingTools>): ScratchpadError {
  return new ScratchpadError(
    'VM_PROVIDER_ABSENT',
    `The box cannot be built: ${missing.map(({ program }) => program).join(', ')} is not installed.`,
    {
      hint: `Run \`scratchpad doctor --install\`, or \`sudo apt-get install ${missing.map((tool) => tool.package).join(' ')}\`.`,
    },
  );
}

function buildFailed(step: string, result: CommandResult): ScratchpadError {
  const said = lastLines(result.stderr, 3);
  if (/No space left on device/.test(result.stderr)) return diskFull(said);
  return new ScratchpadError('VM_BOX_BUILD_FAILED', `The box could not be built: ${step}.`, {
    cause: result.timedOut ? 'it did not end in time' : said || `exit code ${result.code}`,
    hint: 'Check that `apt-get update` works here and that /tmp has 1 GB free.',
    details: { log: lastLines(result.stderr, 40) },
  });
}

function diskFull(cause: unknown): ScratchpadError {
  return new ScratchpadError('DISK_FULL', 'No space is left for building the box.', {
    cause,
    hint: 'It needs about 1 GB in /tmp and 250 MB in the cache (SCRATCHPAD_CACHE_DIR, TMPDIR).',
  });
}
