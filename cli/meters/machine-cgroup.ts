/**
 * The cgroup that libvirt makes for a machine: it holds QEMU with all its threads, I/O threads and
 * vhost included, and what libvirt runs for it. The process itself is in a group below
 * (`…/emulator`), whose figures are a part only.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type LocatedCgroup, locateCgroup } from './cgroup-locate.ts';
import { readOnce } from './counter-file.ts';

/** `machine-qemu\x2d3\x2dname.scope` under systemd, else `qemu-3-name.libvirt-qemu`. */
const MACHINE = /^(.*\/(?:machine-qemu[^/]*\.scope|[^/]*\.libvirt-qemu))(?:\/.*)?$/;

/** /proc/PID/cgroup with each group cut at the machine's own; lines without one are left out. */
export function machineGroups(processCgroups: string): string {
  return processCgroups
    .split('\n')
    .flatMap((line) => {
      const [, prefix = '', path = ''] = /^(\d+:[^:]*:)(.*)$/.exec(line) ?? [];
      const group = MACHINE.exec(path)?.[1];
      return group === undefined ? [] : [`${prefix}${group}`];
    })
    .join('\n');
}

/**
 * The folders of the machine of this QEMU process; undefined where libvirt made it no group that
 * counts. On v1 libvirt uses a controller only where it is mounted in a way that it knows, so one of
 * memory and cpuacct may be missing.
 */
export function machineCgroup(pid: number): LocatedCgroup | undefined {
  const groups = readOnce(`/proc/${pid}/cgroup`);
  const mounts = readOnce('/proc/self/mountinfo');
  if (groups === undefined || mounts === undefined) return undefined;
  const found = locateCgroup(machineGroups(groups), mounts);
  // The hybrid layout mounts a v2 hierarchy that has no controllers.
  const isEmpty = found?.v2 && !existsSync(join(found.v2.folder, 'memory.current'));
  return isEmpty ? undefined : found;
}
