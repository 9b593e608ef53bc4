/** Which Debian package brings what each part needs. */
import type { HostAccess } from './checks/check.ts';
import { qemuCommand } from './checks/vm.ts';

export const PARTS = ['docker', 'vm', 'vagrant'] as const;
export type Part = (typeof PARTS)[number];

export interface Requirement {
  /** What is looked for. */
  name: string;
  /** A program, or where there is none to look for, the package itself. */
  by: 'command' | 'package';
  /** Tried in this order: the second where the first turns out not to bring it. */
  packages: [string, ...string[]];
}

const command = (name: string, ...packages: [string, ...string[]]): Requirement => ({
  name,
  by: 'command',
  packages,
});
const installedPackage = (name: string): Requirement => ({ name, by: 'package', packages: [name] });

const QEMU_PACKAGE = process.arch === 'arm64' ? 'qemu-system-arm' : 'qemu-system-x86';

const REQUIREMENTS: Record<Part, Requirement[]> = {
  docker: [
    command('dockerd', 'docker.io'),
    command('docker', 'docker.io', 'docker-cli'),
    command('iptables', 'iptables'),
    command('mmdebstrap', 'mmdebstrap'),
  ],
  vm: [
    command(qemuCommand(), QEMU_PACKAGE),
    command('qemu-img', 'qemu-utils'),
    command('mmdebstrap', 'mmdebstrap'),
    command('mke2fs', 'e2fsprogs'),
    ...(process.arch === 'arm64' ? [installedPackage('qemu-efi-aarch64')] : []),
  ],
  vagrant: [
    command('vagrant', 'vagrant'),
    installedPackage('vagrant-libvirt'),
    command('libvirtd', 'libvirt-daemon-system'),
    command('virsh', 'libvirt-clients'),
    command('dnsmasq', 'dnsmasq-base'),
    command('rsync', 'rsync'),
    // without the recommended packages libvirt lacks the tool that it gives a machine its disk with
    command('qemu-img', 'qemu-utils'),
    command(qemuCommand(), QEMU_PACKAGE),
    command('mmdebstrap', 'mmdebstrap'),
    command('mke2fs', 'e2fsprogs'),
  ],
};

/** Each once, in the order of the parts. */
export function requirementsOf(parts: readonly Part[]): Requirement[] {
  const all = parts.flatMap((part) => REQUIREMENTS[part]);
  return all.filter((each, at) => all.findIndex(({ name }) => name === each.name) === at);
}

/** Those that this host lacks. A program counts whoever brought it: Docker's own packages too. */
export async function stillMissing(
  requirements: readonly Requirement[],
  host: HostAccess,
): Promise<Requirement[]> {
  const missing: Requirement[] = [];
  for (const requirement of requirements) {
    const { name, by } = requirement;
    const here = by === 'command' ? host.which(name) !== null : await isInstalled(name, host);
    if (!here) missing.push(requirement);
  }
  return missing;
}

async function isInstalled(name: string, host: HostAccess): Promise<boolean> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
  const args = ['--show', '--showformat=${db:Status-Status}', name];
  const { code, stdout } = await host.run('dpkg-query', args);
  return code === 0 && stdout.trim() === 'installed';
}
