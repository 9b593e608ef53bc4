/** What infra/vagrant/Vagrantfile reads from settings.json. Pure. */
import type { DeployOptions } from '../target.ts';
import type { Acceleration, GuestArchitecture } from './host.ts';
import { NETWORK } from './libvirt.ts';
import { descriptionOf } from './names.ts';

/** Name of the user network of the plain path; libvirt's own are hostnet0, hostnet1, … */
export const NETDEV = 'scratchpad0';
const MACHINE = 'vm';
/** From QEMU's own range; the same in every machine, since each has a network of its own. */
const PATH_MAC = '52:54:00:5c:a7:01';
/** A slot far from those that libvirt gives out. */
const PATH_SLOT = '0x1d';

export function domainName(id: string): string {
  return `scratchpad-${id}-${MACHINE}`;
}

export interface SettingsRequest {
  id: string;
  owner: string;
  options: DeployOptions;
  acceleration: Acceleration['kind'];
  architecture: GuestArchitecture;
  box: string;
  kernel: string;
  initrd: string;
  privateKey: string;
  consoleLog: string;
  tunnel: boolean;
  /** The kernel's, given the address of the interface that carries the plain path. */
  commandLine: (mac: string) => string;
}

export function vagrantSettings(request: SettingsRequest): Record<string, unknown> {
  const { id, options, acceleration, architecture } = request;
  const { limits, cpuSet } = options;
  return {
    port: options.port,
    // whole: vm.ts refuses parts of one
    cpus: limits.cpus,
    memoryMib: Math.floor(limits.memoryBytes / 1024 / 1024),
    machine: MACHINE,
    bootTimeoutSeconds: 300,
    box: request.box,
    driver: acceleration === 'kvm' ? 'kvm' : 'qemu',
    ...(cpuSet === null ? {} : { cpuset: cpuSet.join(',') }),
    prefix: `scratchpad-${id}-`,
    description: descriptionOf(id, request.owner),
    // as the qemu provider's, so that the two differ in nothing but the way
    machineType: architecture === 'amd64' ? 'pc' : 'virt',
    kernel: request.kernel,
    initrd: request.initrd,
    cmdLine: request.commandLine(PATH_MAC),
    consoleLog: request.consoleLog,
    privateKey: request.privateKey,
    network: NETWORK,
    tunnel: request.tunnel,
    qemuArgs: [
      '-netdev',
      `user,id=${NETDEV},ipv6=off`,
      '-device',
      `virtio-net-pci,netdev=${NETDEV},mac=${PATH_MAC},romfile=,addr=${PATH_SLOT}`,
      // the last -cpu wins: libvirt 9 has no word for all that the emulator can do
      ...(acceleration === 'tcg' ? ['-cpu', 'max'] : []),
      '-no-reboot',
    ],
  };
}
