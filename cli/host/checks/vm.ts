/** What the vm target needs: QEMU and a way to make its disk; libvirt and Vagrant for the other. */
import { knownAcceleration } from '../../targets/vm/kvm-trial.ts';
import type { Check, HostAccess } from './check.ts';

const INSTALL_VM = 'scratchpad doctor --install --only vm';
const INSTALL_VAGRANT = 'scratchpad doctor --install --only vagrant';
const LIBVIRT_TIMEOUT_MS = 7_000;

/** The emulator for guests of this host's own architecture. */
export function qemuCommand(architecture = process.arch): string {
  return architecture === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
}

/** `known`: what is known of KVM beyond that its device opens; for tests. */
export async function vmChecks(host: HostAccess, known = knownAcceleration): Promise<Check[]> {
  return [
    program(host, 'QEMU', qemuCommand(), INSTALL_VM),
    program(host, 'qemu-img', 'qemu-img', INSTALL_VM),
    program(host, 'mmdebstrap (guest)', 'mmdebstrap', INSTALL_VM),
    checkAcceleration(host, known),
    await checkLibvirt(host),
    optional(host, 'vagrant'),
  ];
}

function program(host: HostAccess, name: string, command: string, mend: string): Check {
  const path = host.which(command);
  return path === null
    ? { name, for: 'vm', status: 'missing', found: `${command} is not installed`, mend }
    : { name, for: 'vm', status: 'ok', found: path, mend: null };
}

function checkAcceleration(host: HostAccess, known: typeof knownAcceleration): Check {
  const base = { name: 'acceleration', for: 'vm' } as const;
  if (host.platform !== 'linux') {
    return { ...base, status: 'ok', found: 'chosen by the provider', mend: null };
  }
  if (!host.exists('/dev/kvm')) {
    return {
      ...base,
      status: 'limited',
      found: 'no /dev/kvm: the VM is emulated (tcg), and its figures say nothing about VMs',
      mend: 'enable virtualisation in the firmware, or nesting on the outer host',
    };
  }
  if (host.writable('/dev/kvm')) {
    const { kind, reason, tried } = known();
    if (kind === 'kvm') {
      const found = tried
        ? 'kvm'
        : 'kvm: /dev/kvm can be opened; not tried yet, the first deploy does';
      return { ...base, status: 'ok', found, mend: null };
    }
    return {
      ...base,
      status: 'limited',
      found: `${reason}; so the VM is emulated (tcg), and its figures say nothing about VMs`,
      mend: 'enable nested virtualisation by hardware on the outer host',
    };
  }
  return {
    ...base,
    status: 'limited',
    found: '/dev/kvm is there, but this user may not use it: the VM is emulated (tcg)',
    mend: 'sudo usermod -aG kvm $USER, then log in again',
  };
}

/** Only Vagrant's provider needs it. */
async function checkLibvirt(host: HostAccess): Promise<Check> {
  const base = { name: 'libvirt', for: 'vm' } as const;
  if (host.which('virsh') === null) {
    return {
      ...base,
      status: 'not needed',
      found: 'not installed: for Vagrant',
      mend: INSTALL_VAGRANT,
    };
  }
  const ask = (...args: string[]) =>
    host.run('virsh', ['-c', 'qemu:///system', ...args], { timeoutMs: LIBVIRT_TIMEOUT_MS });
  // The host's name is an answer at once. `version` makes a daemon that has just been started try
  // every QEMU of the host first: that may take longer than any time-out here, and is no fault.
  const { code, stderr, timedOut } = await ask('hostname');
  if (code === 0) {
    const { stdout } = await ask('version', '--daemon');
    const version = /Running against daemon: (\S+)/.exec(stdout)?.[1] ?? 'running';
    return { ...base, status: 'ok', found: `daemon ${version}`, mend: null };
  }
  const found = /permission|authentication|polkit/i.test(stderr)
    ? 'no permission to use its daemon'
    : timedOut
      ? `installed, its daemon does not answer in ${LIBVIRT_TIMEOUT_MS / 1000} s`
      : 'installed, its daemon does not run';
  const mend = found.startsWith('no permission')
    ? 'sudo usermod -aG libvirt $USER, then log in again'
    : INSTALL_VAGRANT;
  return { ...base, status: 'not needed', found: `${found}: for Vagrant`, mend };
}

function optional(host: HostAccess, command: string): Check {
  const path = host.which(command);
  return path === null
    ? {
        name: command,
        for: 'vm',
        status: 'not needed',
        found: 'not installed: QEMU alone will do',
        mend: INSTALL_VAGRANT,
      }
    : { name: command, for: 'vm', status: 'ok', found: path, mend: null };
}
