/**
 * Where a process's cgroups are mounted here: /proc/PID/cgroup says the group of each hierarchy,
 * /proc/self/mountinfo says where the hierarchy is. Right for v1, v2 and the hybrid of both, for
 * the cgroupfs and the systemd driver, and inside of a container that has its own view.
 */
import { join } from 'node:path';
import type { CgroupV1Folders } from './spec.ts';

export interface CgroupMount {
  version: 1 | 2;
  /** v1: `memory`, `cpu`, `cpuacct`, …; v2: empty. */
  controllers: string[];
  /** The part of the hierarchy that is mounted. */
  root: string;
  mountPoint: string;
}

/** /proc/self/mountinfo, cgroup lines only. Format: proc(5). */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    if (left === undefined || right === undefined) continue;
    const [type, , options = ''] = right.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    const fields = left.split(' ');
    mounts.push({
      version: type === 'cgroup' ? 1 : 2,
      controllers: type === 'cgroup' ? options.split(',') : [],
      root: unescapeOctal(fields[3]!),
      mountPoint: unescapeOctal(fields[4]!),
    });
  }
  return mounts;
}

/** Spaces, tabs and backslashes are octal in mountinfo. */
function unescapeOctal(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** /proc/PID/cgroup: the group's path by controller; '' is the v2 hierarchy. */
export function parseProcessCgroups(text: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (!match) continue;
    for (const controller of match[1]!.split(',')) groups.set(controller, match[2]!);
  }
  return groups;
}

export interface LocatedCgroup {
  v1?: CgroupV1Folders;
  v2?: { folder: string };
}

/**
 * The folders that hold the figures of a process. v1 wins where the memory controller is on a v1
 * hierarchy (the hybrid layout mounts an empty v2 beside it). undefined: no usable cgroup, or the
 * process is in the root group, whose figures are the whole host's.
 */
export function locateCgroup(processCgroups: string, mountinfo: string): LocatedCgroup | undefined {
  const groups = parseProcessCgroups(processCgroups);
  const mounts = parseCgroupMounts(mountinfo);
  const folderOf = (mount: CgroupMount | undefined, group: string | undefined) => {
    if (mount === undefined || group === undefined || group === '/') return undefined;
    if (mount.root === '/') return join(mount.mountPoint, group);
    if (group === mount.root) return mount.mountPoint;
    return group.startsWith(`${mount.root}/`)
      ? join(mount.mountPoint, group.slice(mount.root.length))
      : undefined;
  };
  const v1Folder = (controller: string) =>
    folderOf(
      mounts.find((mount) => mount.version === 1 && mount.controllers.includes(controller)),
      groups.get(controller),
    );
  const v1: CgroupV1Folders = {
    memory: v1Folder('memory'),
    cpuacct: v1Folder('cpuacct'),
    cpu: v1Folder('cpu'),
    blkio: v1Folder('blkio'),
  };
  if (v1.memory !== undefined || v1.cpuacct !== undefined) return { v1 };
  const folder = folderOf(
    mounts.find((mount) => mount.version === 2),
    groups.get(''),
  );
  return folder === undefined ? undefined : { v2: { folder } };
}
