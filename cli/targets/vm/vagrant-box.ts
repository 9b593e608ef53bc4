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
import type { ArtifactDisk } from './artifact-disk.ts';
import { type Box, boxFile, vmCacheFolder } from './box.ts';
import { findProgram } from './host.ts';
import { Libvirt } from './libvirt.ts';

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

/** @throws VM_BOX_BUILD_FAILED, ENGINE_FAILED, DISK_FULL, INTERRUPTED */
export async function prepareVagrantBox(request: {
  box: Box;
  disk: ArtifactDisk;
  run: Run;
  signal: AbortSignal;
}): Promise<VagrantBox> {
  const { box, disk, run, signal } = request;
  const { files } = box.manifest;
  const key = createHash('sha256')
    .update(`${files['root.qcow2'].sha256} ${disk.sha256}`)
    .digest('hex')
    .slice(0, 12);
  const name = `scratchpad-box-${key}`;
  const libvirt = new Libvirt(run);
  await libvirt.ensurePool(signal);
  const upload = async (file: 'vmlinux' | 'initrd.img') => {
    const { sha256, bytes } = files[file];
    return libvirt.ensureVolume(
      `scratchpad-${sha256.slice(0, 12)}-${file}`,
      boxFile(box, file),
      bytes,
      'raw',
      signal,
    );
  };
  const kernel = await upload('vmlinux');
  const initrd = await upload('initrd.img');
  const home = vagrantEnvironment()['VAGRANT_HOME']!;
  const known = existsSync(join(home, 'boxes', name, '0', 'libvirt', 'metadata.json'));
  if (!known) await addBox(name, request);
  await uploadDisks(libvirt, name, join(home, 'boxes', name, '0', 'libvirt'), signal);
  await removeStale(libvirt, home, name, [kernel.path, initrd.path]);
  return {
    name,
    kernel: kernel.path,
    initrd: initrd.path,
    cached: known && kernel.cached && initrd.cached,
  };
}

async function addBox(
  name: string,
  { box, disk, run, signal }: { box: Box; disk: ArtifactDisk; run: Run; signal: AbortSignal },
): Promise<void> {
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
  name: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  for (const disk of ['root', 'artifact']) {
    const file = join(folder, `${disk}.qcow2`);
    const { mtimeMs, size } = statSync(file);
    const volume = `${name}_vagrant_box_image_0_${Math.floor(mtimeMs / 1000)}_${disk}.img`;
    await libvirt.ensureVolume(volume, file, size, 'qcow2', signal);
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
