/**
 * Where this host lets us make a cgroup: version 1 or 2, which folder, and if nowhere, why.
 * Works on texts and a root folder, so that every layout is tested on files.
 */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type V1Controller = 'cpu' | 'cpuacct' | 'memory' | 'cpuset' | 'blkio' | 'pids' | 'freezer';
const V1_CONTROLLERS: readonly V1Controller[] = [
  'cpu',
  'cpuacct',
  'memory',
  'cpuset',
  'blkio',
  'pids',
  'freezer',
];

export type CgroupLayout =
  /** Mount point by controller; several may share one (cpu,cpuacct). */
  | { version: 1; mounts: Partial<Record<V1Controller, string>> }
  /** The folder under which ours is made. */
  | { version: 2; parent: string; mount: string }
  | { version: null; reason: string };

export interface CgroupSources {
  /** /proc/self/mountinfo */
  mountinfo: string;
  /** /proc/self/cgroup */
  own: string;
  root: boolean;
}

export function readCgroupSources(): CgroupSources | null {
  try {
    return {
      mountinfo: readFileSync('/proc/self/mountinfo', 'utf8'),
      own: readFileSync('/proc/self/cgroup', 'utf8'),
      root: process.geteuid?.() === 0,
    };
  } catch {
    return null;
  }
}

export function cgroupLayout(sources = readCgroupSources()): CgroupLayout {
  if (sources === null) return { version: null, reason: `${process.platform} has no cgroups` };
  const mounts = parseMounts(sources.mountinfo);
  const unified = mounts.find(({ type }) => type === 'cgroup2')?.folder;
  const v1 = v1Mounts(mounts);
  // a hybrid host has both mounted: the controllers are where the limits can be set
  if (v1.memory !== undefined || v1.cpu !== undefined) return v1Layout(v1);
  if (unified === undefined) return { version: null, reason: 'no cgroup file system is mounted' };
  return sources.root ? rootParent(unified) : delegatedParent(unified, sources.own);
}

interface Mount {
  folder: string;
  type: string;
  options: string[];
}

/** `36 35 0:31 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu` */
function parseMounts(mountinfo: string): Mount[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap((fields) => {
      const dash = fields.indexOf('-');
      const type = fields[dash + 1];
      if (dash < 0 || (type !== 'cgroup' && type !== 'cgroup2')) return [];
      return [{ folder: fields[4]!, type, options: (fields[dash + 3] ?? '').split(',') }];
    });
}

function v1Mounts(mounts: Mount[]): Partial<Record<V1Controller, string>> {
  const found: Partial<Record<V1Controller, string>> = {};
  for (const controller of V1_CONTROLLERS) {
    const mount = mounts.find(
      ({ type, options }) => type === 'cgroup' && options.includes(controller),
    );
    if (mount) found[controller] = mount.folder;
  }
  return found;
}

function v1Layout(mounts: Partial<Record<V1Controller, string>>): CgroupLayout {
  const closed = Object.values(mounts).find((folder) => !isWritable(folder));
  if (closed !== undefined) return { version: null, reason: `${closed} is not writable` };
  return { version: 1, mounts };
}

function rootParent(mount: string): CgroupLayout {
  if (!isWritable(mount)) return { version: null, reason: `${mount} is not writable` };
  return { version: 2, parent: mount, mount };
}

/**
 * Without root: the highest folder above this process that was delegated to the user. A process may
 * be moved only where the user can also write `cgroup.procs` of the common ancestor, so an
 * unrelated delegated folder (that of user@1000.service, from an ssh session) does not help.
 */
function delegatedParent(mount: string, own: string): CgroupLayout {
  const path = /^0::(.*)$/m.exec(own)?.[1];
  if (path === undefined) return { version: null, reason: 'this process is in no cgroup v2' };
  const start = join(mount, path);
  let parent: string | null = null;
  for (let folder = dirname(start); folder.startsWith(mount); folder = dirname(folder)) {
    if (isDelegated(folder)) parent = folder;
    if (folder === mount) break;
  }
  if (parent !== null) return { version: 2, parent, mount };
  return {
    version: null,
    reason:
      'no cgroup above this process is delegated to this user (with systemd, ' +
      '`systemd-run --user --scope scratchpad …` runs it where one is)',
  };
}

function isDelegated(folder: string): boolean {
  return ['', 'cgroup.procs', 'cgroup.subtree_control'].every((name) =>
    isWritable(join(folder, name)),
  );
}

function isWritable(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return process.getuid?.() === 0 && canMakeFolder(path);
  }
}

/** Deno answers from the mode bits alone, and a cgroup's folder has no write bit even for root. */
function canMakeFolder(path: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(path, 'scratchpad-')));
    return true;
  } catch {
    return false;
  }
}
