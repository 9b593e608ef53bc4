/** Names and places of what a VM deployment makes; all follow from its id. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deploymentFolder, ownerTag } from '../state.ts';

/** Of the cgroup, as bare's. */
export function cgroupName(id: string): string {
  return `${ownerTag()}-${id}`;
}

/** QEMU's name, libvirt's domain. */
export function machineName(id: string): string {
  return `scratchpad-${id}`;
}

/** By which `down --all` knows its own: description of a domain, alias of a bridge. */
export function descriptionOf(id: string, owner: string): string {
  return `scratchpad owner=${owner} id=${id}`;
}

/** The id of what this state folder made, from its description; undefined: it is another's. */
export function ownId(description: string): string | undefined {
  const id = /\bid=([a-z0-9-]+)/.exec(description)?.[1];
  return id !== undefined && description === descriptionOf(id, ownerTag()) ? id : undefined;
}

export interface MachineFiles {
  folder: string;
  overlay: string;
  /** What the guest's serial console printed. */
  consoleLog: string;
  /** What QEMU itself said. */
  qemuLog: string;
  controlSocket: string;
  meterSocket: string;
  /** The folder of the sockets where it is not `folder`. */
  socketFolder: string | null;
}

/** A unix socket's path has 107 bytes on Linux and 103 on macOS. */
const MAX_SOCKET_PATH = 103;

export function machineFiles(id: string): MachineFiles {
  const folder = deploymentFolder(id);
  const isLong = Buffer.byteLength(join(folder, 'meter.sock')) > MAX_SOCKET_PATH;
  const sockets = isLong ? join(tmpdir(), `scratchpad-${ownerTag()}-${id}`) : folder;
  return {
    folder,
    overlay: join(folder, 'overlay.qcow2'),
    consoleLog: join(folder, 'console.log'),
    qemuLog: join(folder, 'qemu.log'),
    controlSocket: join(sockets, 'qmp.sock'),
    meterSocket: join(sockets, 'meter.sock'),
    socketFolder: isLong ? sockets : null,
  };
}
