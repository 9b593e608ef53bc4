/** Which way to a machine: what the host has, what was asked for, and why. */
import { ScratchpadError } from '../../errors.ts';
import { runCommand } from '../command.ts';
import type { Availability, PathKind } from '../target.ts';
import { bridgeFault } from './bridge.ts';
import {
  EMULATED_WARNING,
  emulatorName,
  findProgram,
  guestArchitecture,
  missingTools,
} from './host.ts';
import { knownAcceleration } from './kvm-trial.ts';
import { Libvirt } from './libvirt.ts';
import { treeSource } from './tree-source.ts';

export const PROVIDERS = ['qemu', 'vagrant'] as const;
export type Provider = (typeof PROVIDERS)[number];

/** The first is the provider's own. */
const PATHS: Record<Provider, readonly PathKind[]> = {
  qemu: ['hostfwd', 'bridge'],
  vagrant: ['hostfwd', 'ssh-tunnel'],
};

/**
 * The provider asked for, or the best here: QEMU alone, which has the fewest layers between the
 * figures and the machine; Vagrant where QEMU alone cannot run.
 * @throws UNKNOWN_PROVIDER
 */
export async function chooseProvider(
  asked: string | null,
): Promise<{ provider: Provider; why: string }> {
  if (asked !== null) {
    const provider = PROVIDERS.find((name) => name === asked);
    if (provider) return { provider, why: `${provider}: asked for` };
    throw new ScratchpadError('UNKNOWN_PROVIDER', `vm has no provider "${asked}".`, {
      hint: `Its providers are ${PROVIDERS.join(' and ')}.`,
    });
  }
  const qemu = await providerAvailability('qemu');
  if (qemu.available) return { provider: 'qemu', why: 'qemu: installed, and the shortest way' };
  const vagrant = await providerAvailability('vagrant');
  if (vagrant.available) return { provider: 'vagrant', why: `vagrant: ${qemu.reason}` };
  return { provider: 'qemu', why: 'qemu: nothing else is installed either' };
}

/** The paths that `choosePath` accepts here, the provider's own first. */
export function offeredPaths(provider: Provider): PathKind[] {
  return PATHS[provider].filter((path) => path !== 'bridge' || bridgeFault() === null);
}

/** @throws BAD_FLAG, or TARGET_UNAVAILABLE where this host cannot have it */
export function choosePath(provider: Provider, asked: PathKind | null): PathKind {
  const paths = PATHS[provider];
  if (asked === null) return paths[0]!;
  if (!paths.includes(asked)) {
    throw new ScratchpadError('BAD_FLAG', `vm with ${provider} has no path "${asked}".`, {
      hint: `Its paths: ${paths.join(', ')}.`,
    });
  }
  const fault = asked === 'bridge' ? bridgeFault() : null;
  if (fault === null) return asked;
  throw new ScratchpadError(
    'TARGET_UNAVAILABLE',
    `vm cannot have the path bridge here: ${fault.reason}.`,
    { hint: fault.hint },
  );
}

/** null: the provider that `chooseProvider` would choose. */
export async function providerAvailability(asked: string | null): Promise<Availability> {
  if (asked === null) {
    const { provider } = await chooseProvider(null);
    return providerAvailability(provider);
  }
  const absent = (reason: string, hint: string): Availability => ({
    available: false,
    provider: asked,
    reason,
    hint,
    code: 'VM_PROVIDER_ABSENT',
  });
  if (process.platform !== 'linux') {
    return absent(
      `no box can be built on ${process.platform}`,
      'On this system use infra/vagrant by hand: see the head of its Vagrantfile.',
    );
  }
  const architecture = guestArchitecture();
  if (architecture === null) {
    return absent(`there is no guest for ${process.arch}`, 'Use an x86-64 or arm64 host.');
  }
  const emulator = emulatorName(architecture);
  if (findProgram(emulator) === null) {
    return absent(`${emulator} is not installed`, 'Run `scratchpad doctor --install`.');
  }
  const missing = missingTools(treeSource() !== null);
  if (missing.length > 0) {
    return absent(
      `${missing.map(({ program }) => program).join(', ')} is not installed`,
      `Run \`scratchpad doctor --install\`, or \`sudo apt-get install ${missing.map((tool) => tool.package).join(' ')}\`.`,
    );
  }
  if (asked === 'vagrant') {
    if (findProgram('vagrant') === null) {
      return absent('vagrant is not installed', 'Run `scratchpad doctor --install`.');
    }
    const fault = await new Libvirt(runCommand).fault();
    if (fault) return { available: false, provider: asked, ...fault };
  }
  const { kind, reason, tried } = knownAcceleration();
  const how =
    kind === 'tcg' ? `${reason}: ${EMULATED_WARNING}` : tried ? 'KVM' : 'KVM (not tried yet)';
  return { available: true, provider: asked, notes: [`vm: ${asked}, ${how}`] };
}
