/**
 * The same box as a box of Vagrant: two disks (guest system, artifact) in a tar archive, added to a
 * VAGRANT_HOME of our own. Kernel and initramfs go into libvirt's pool, since libvirt's QEMU runs
 * as a user of its own who cannot enter this user's cache folder.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import { lastLines, type Run } from '../command.ts';
import { withLock } from '../process-lock.ts';
import type { ArtifactDisk } from './artifact-disk.ts';
import { type Box, boxFile, vmCacheFolder } from './box.ts';
import { findProgram } from './host.ts';
import { Libvirt } from './libvirt.ts';

/** A box is packed, added and uploaded in a minute or two. */
const LOCK_TIMEOUT_MS = 10 * 60_000;

export interface VagrantBox {
  name: string;
  kernel: string;
  initrd: string;
  cached: boolean;
}

/** Boxes, insecure keys and the machine index of other users of Vagrant are none of ours. */
export function vagrantEnvironment(): Record<string, string> {
  return {
    VAGRANT_HOME: join(vmCacheFolder(), 'vagrant-home'),
    VAGRANT_CHECKPOINT_DISABLE: '1',
    VAGRANT_DEFAULT_PROVIDER: 'libvirt',
    VAGRANT_NO_COLOR: '1',
    LC_ALL: 'C.UTF-8',
  };
}

interface BoxRequest {
  box: Box;
  disk: ArtifactDisk;
  run: Run;
  signal: AbortSignal;
}

/**
 * One process at a time: what another is just uploading would be taken for cut off.
 * @throws VM_BOX_BUILD_FAILED, ENGINE_FAILED, DISK_FULL, STATE_LOCKED, INTERRUPTED
 */
export async function prepareVagrantBox(request: BoxRequest): Promise<VagrantBox> {
  const lock = join(vmCacheFolder(), 'vagrant-box.lock');
  const options = { timeoutMs: LOCK_TIMEOUT_MS, everyMs: 100, signal: request.signal };
  return withLock(lock, options, () => prepareLocked(request));
}

async function prepareLocked({ box, disk, run, signal }: BoxRequest): Promise<VagrantBox> {
  const { files } = box.manifest;
  const key = createHash('sha256')
    .update(`${files['root.qcow2'].sha256} ${disk.sha256}`)
    .digest('hex')
    .slice(0, 12);
  const name = `scratchpad-box-${key}`;
  const libvirt = new Libvirt(run);
  const records = join(vmCacheFolder(), 'volumes');
  await libvirt.ensurePool(signal);
  const upload = async (file: 'vmlinux' | 'initrd.img') => {
    const { sha256, bytes } = files[file];
    const name = `scratchpad-${sha256.slice(0, 12)}-${file}`;
    const volume = { name, file: boxFile(box, file), bytes, format: 'raw', records } as const;
    return libvirt.ensureVolume(volume, signal);
  };
  const kernel = await upload('vmlinux');
  const initrd = await upload('initrd.img');
  const home = vagrantEnvironment()['VAGRANT_HOME']!;
  const folder = join(home, 'boxes', name, '0', 'libvirt');
  const known = isWhole(folder, files['root.qcow2'].bytes);
  if (!known) await addBox(name, { box, disk, run, signal });
  await uploadDisks(libvirt, { name, folder, records }, signal);
  await removeStale(libvirt, home, name, [kernel.path, initrd.path]);
  return {
    name,
    kernel: kernel.path,
    initrd: initrd.path,
    cached: known && kernel.cached && initrd.cached,
  };
}

/** Vagrant unpacked it to its end: it takes no hashes, so at least the sizes have to be right. */
function isWhole(folder: string, rootBytes: number): boolean {
  const sizeOf = (name: string) => statSync(join(folder, name), { throwIfNoEntry: false })?.size;
  return (
    existsSync(join(folder, 'metadata.json')) &&
    sizeOf('root.qcow2') === rootBytes &&
    (sizeOf('artifact.qcow2') ?? 0) > 0
  );
}

async function addBox(name: string, { box, disk, run, signal }: BoxRequest): Promise<void> {
  const work = join(vmCacheFolder(), `${name}.${process.pid}.building`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const call = async (step: string, program: string, args: string[]) => {
    const result = await run(findProgram(program) ?? program, args, {
      signal,
      env: vagrantEnvironment(),
      timeoutMs: 5 * 60_000,
    });
    if (result.code === 0) return;
    throw new ScratchpadError('VM_BOX_BUILD_FAILED', `Vagrant's box could not be made: ${step}.`, {
      cause: lastLines(result.stderr || result.stdout, 3),
      hint: 'Check `vagrant plugin list` for vagrant-libvirt, and the space in the cache folder.',
      details: { log: lastLines(`${result.stdout}\n${result.stderr}`, 40) },
    });
  };
  try {
    const root = join(work, 'root.qcow2');
    try {
      linkSync(boxFile(box, 'root.qcow2'), root);
    } catch {
      copyFileSync(boxFile(box, 'root.qcow2'), root); // another file system
    }
    await call('convert the artifact disk', 'qemu-img', [
      'convert',
      '-f',
      'raw',
      '-O',
      'qcow2',
      disk.path,
      join(work, 'artifact.qcow2'),
    ]);
    const metadata = {
      provider: 'libvirt',
      format: 'qcow2',
      virtual_size: 2,
      disks: [
        { path: 'root.qcow2', name: 'root' },
        { path: 'artifact.qcow2', name: 'artifact' },
      ],
    };
    writeFileSync(join(work, 'metadata.json'), JSON.stringify(metadata));
    writeFileSync(
      join(work, 'Vagrantfile'),
      '# everything is in the Vagrantfile of infra/vagrant\n',
    );
    const archive = join(work, 'box.tar');
    await call('pack', 'tar', [
      '-C',
      work,
      '-cf',
      archive,
      'metadata.json',
      'Vagrantfile',
      'root.qcow2',
      'artifact.qcow2',
    ]);
    await call('vagrant box add', 'vagrant', [
      'box',
      'add',
      '--force',
      '--provider',
      'libvirt',
      '--name',
      name,
      archive,
    ]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * vagrant-libvirt would copy the disks into the pool at the first `up`, inside what is measured.
 * The names are those that it looks for (action/handle_box_image.rb: a local box has version 0 and
 * the time of its file); where it looks for others it copies by itself, only later.
 */
async function uploadDisks(
  libvirt: Libvirt,
  { name, folder, records }: { name: string; folder: string; records: string },
  signal: AbortSignal,
): Promise<void> {
  for (const disk of ['root', 'artifact']) {
    const file = join(folder, `${disk}.qcow2`);
    const { mtimeMs, size } = statSync(file);
    const volume = `${name}_vagrant_box_image_0_${Math.floor(mtimeMs / 1000)}_${disk}.img`;
    await libvirt.ensureVolume(
      { name: volume, file, bytes: size, format: 'qcow2', records },
      signal,
    );
  }
}

/** Boxes of older artifacts and their volumes, unless a domain's disk stands on them. */
async function removeStale(
  libvirt: Libvirt,
  home: string,
  current: string,
  kept: string[],
): Promise<void> {
  if (await libvirt.isUsed()) return;
  for (const volume of await libvirt.volumes()) {
    const isBoot = /^scratchpad-[0-9a-f]{12}-(vmlinux|initrd\.img)$/.test(volume);
    if (isBoot && !kept.some((path) => path.endsWith(`/${volume}`)))
      await libvirt.deleteVolume(volume);
    if (volume.startsWith('scratchpad-box-') && !volume.startsWith(current))
      await libvirt.deleteVolume(volume);
  }
  const boxes = join(home, 'boxes');
  for (const name of readdirSync(boxes)) {
    if (name.startsWith('scratchpad-box-') && name !== current)
      rmSync(join(boxes, name), { recursive: true, force: true });
  }
}
