/**
 * Target `vm`: the workload in a virtual machine. Two providers run the same box: `qemu` starts
 * QEMU itself; `vagrant` goes the way that Vagrant's users go, through libvirt.
 */
import { createHash } from 'node:crypto';
import { ScratchpadError } from '../../errors.ts';
import { nodeBinary, pinWarnings } from '../artifact.ts';
import { checkedArtifact } from '../artifact-check.ts';
import { runCommand, throwIfAborted } from '../command.ts';
import {
  DEPLOYMENT_MARKER,
  environmentOf,
  findMarked,
  OWNER_MARKER,
  terminate,
} from '../process-identity.ts';
import { newState, ownerTag, readStates } from '../state.ts';
import type {
  Availability,
  Deployment,
  DeploymentPlan,
  DeploymentState,
  DeployOptions,
  Prepared,
  Progress,
  Target,
} from '../target.ts';
import { type ArtifactDisk, prepareArtifactDisk } from './artifact-disk.ts';
import { BOX_FILES, type Box, boxFile, prepareBox, vmCacheFolder } from './box.ts';
import { sweepBridges } from './bridge.ts';
import {
  type Acceleration,
  EMULATED_WARNING,
  emulatorName,
  findProgram,
  guestArchitecture,
} from './host.ts';
import { knownAcceleration, settleAcceleration, trialSubject } from './kvm-trial.ts';
import { removeLeftOvers } from './left-overs.ts';
import { choosePath, chooseProvider, offeredPaths, providerAvailability } from './provider.ts';
import { QemuMachine, type VmHandles } from './qemu-machine.ts';
import { prepareVagrantBox } from './vagrant-box.ts';
import { sweepDomains, VagrantMachine } from './vagrant-machine.ts';

const MIN_MEMORY_BYTES = 192 * 1024 * 1024;

export const vm: Target = {
  name: 'vm',
  summary: 'the workload in a virtual machine (QEMU, or Vagrant)',
  providers: ['qemu', 'vagrant'],

  async availability(provider: string | null): Promise<Availability> {
    return providerAvailability(provider);
  },

  async paths(provider: string | null) {
    return offeredPaths((await chooseProvider(provider)).provider);
  },

  async plan(options: DeployOptions): Promise<DeploymentPlan> {
    const { limits } = options;
    if (limits.memoryBytes < MIN_MEMORY_BYTES) {
      throw new ScratchpadError(
        'BAD_FLAG',
        'A machine with less than 192 MiB does not boot this guest.',
        { hint: 'Write e.g. `--memory 256m`.' },
      );
    }
    const { provider, why } = await chooseProvider(options.provider);
    if (provider === 'vagrant' && !Number.isInteger(limits.cpus)) {
      throw new ScratchpadError(
        'BAD_FLAG',
        `A machine of Vagrant has whole CPUs, not ${limits.cpus}.`,
        {
          hint: 'Write `--cpus 1`, or take `--provider qemu`, whose machines a cgroup holds to parts of one.',
        },
      );
    }
    const path = choosePath(provider, options.path);
    const accelerated = knownAcceleration();
    const { kind } = accelerated;
    const warnings = kind === 'tcg' ? [`vm: ${EMULATED_WARNING}`] : [];
    if (path === 'ssh-tunnel')
      warnings.push('vm: path ssh-tunnel: the tunnel is part of every figure');
    return {
      target: 'vm',
      provider,
      providerReason: `${why}; ${inWords(accelerated)}`,
      options,
      path,
      acceleration: kind,
      warnings,
    };
  },

  async prepare(plan: DeploymentPlan, progress: Progress, signal: AbortSignal): Promise<Prepared> {
    const startedAt = performance.now();
    const steps: Prepared['steps'] = [];
    const timed = async <T>(
      name: string,
      body: () => Promise<T>,
      cached: (result: T) => boolean,
    ) => {
      const from = performance.now();
      const result = await body();
      steps.push({ name, durationMs: performance.now() - from, cached: cached(result) });
      throwIfAborted(signal);
      return result;
    };
    if (plan.options.runtime !== 'node') throw noRuntime(plan.options.runtime);
    const architecture = guestArchitecture();
    if (architecture === null) throw new Error(`no guest for ${process.arch}`);
    progress.step('checking the artifact');
    const [artifact, node] = await timed(
      'check the artifact',
      () => Promise.all([checkedArtifact(plan.options.artifactFolder), nodeBinary()]),
      () => true,
    );
    progress.step('checking the box');
    const box = await timed(
      'box',
      () => prepareBox({ architecture, run: runCommand, progress, signal }),
      ({ cached }) => cached,
    );
    const { manifest } = box;
    const emulator = findProgram(emulatorName(architecture)) ?? emulatorName(architecture);
    const kernelSha256 = manifest.files.vmlinux.sha256;
    const settled = await timed(
      'acceleration',
      () =>
        settleAcceleration(trialSubject(box.folder, architecture, emulator, kernelSha256), {
          run: runCommand,
          progress,
          signal,
        }),
      ({ cached }) => cached,
    );
    const disk = await timed(
      'artifact disk',
      () => prepareArtifactDisk({ artifact, node, run: runCommand, signal }),
      ({ cached }) => cached,
    );
    const vagrant =
      plan.provider === 'vagrant'
        ? await timed(
            'box of Vagrant',
            () => prepareVagrantBox({ box, disk, run: runCommand, signal }),
            ({ cached }) => cached,
          )
        : null;
    const handles: VmHandles = {
      boxFolder: box.folder,
      rootDisk: boxFile(box, 'root.qcow2'),
      kernel: vagrant?.kernel ?? boxFile(box, 'vmlinux'),
      initrd: vagrant?.initrd ?? boxFile(box, 'initrd.img'),
      artifactDisk: disk.path,
      emulator,
      architecture,
      kernelSha256,
      acceleration: { kind: settled.kind, reason: settled.reason },
      guestOs: `${manifest.distribution} ${manifest.codename}`,
      guestKernel: manifest.kernelPackage,
    };
    return {
      durationMs: performance.now() - startedAt,
      cached: box.cached && disk.cached && (vagrant?.cached ?? true),
      artifactSha256: artifact.sha256,
      runtimeSha256: node.sha256,
      // not with Vagrant: what lies in libvirt's pool is not hashed again by each prepare
      ...(vagrant ? {} : { contentSha256: contentOf(box, disk) }),
      steps,
      handles: {
        ...handles,
        boxBytes: box.bytes,
        boxSha256: manifest.files['root.qcow2'].sha256,
        ...(vagrant ? { vagrantBox: vagrant.name } : {}),
      },
      warnings: [...pinWarnings(node), ...fallbackWarnings(plan, settled)],
    };
  },

  async start(planned, prepared, progress, signal): Promise<Deployment> {
    throwIfAborted(signal);
    const plan = settledPlan(planned, prepared);
    progress.step('starting the machine');
    const state = newState(plan, prepared);
    if (plan.provider === 'vagrant') {
      const machine = new VagrantMachine(state);
      await machine.create(signal);
      return machine;
    }
    const machine = new QemuMachine(state);
    for (const warning of await machine.create(signal)) progress.warn(warning);
    return machine;
  },

  async attach(state: DeploymentState): Promise<Deployment> {
    return state.provider === 'vagrant' ? new VagrantMachine(state) : new QemuMachine(state);
  },

  async sweep(): Promise<{ removed: string[] }> {
    const known = new Set(readStates().states.map(({ id }) => id));
    const orphans = findMarked(OWNER_MARKER, ownerTag()).filter(
      ({ pid }) => !known.has(environmentOf(pid, DEPLOYMENT_MARKER) ?? ''),
    );
    const left = await terminate(orphans, 1_000);
    if (left.length > 0) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new ScratchpadError('CLEANUP_INCOMPLETE', `Process ${pids} does not end.`);
    }
    const domains = await sweepDomains(known);
    const bridges = await sweepBridges(known, runCommand);
    const builds = await removeLeftOvers(vmCacheFolder(), runCommand);
    const processes = orphans.map(({ pid }) => `process ${pid}`);
    return { removed: [...processes, ...domains, ...bridges, ...builds] };
  },
};

/** All that the machine boots from and mounts read-only, by the hashes that `prepare` verified. */
function contentOf({ manifest }: Box, { sha256 }: ArtifactDisk): string {
  const parts = [sha256, ...BOX_FILES.map((name) => manifest.files[name].sha256)];
  return createHash('sha256').update(parts.join(' ')).digest('hex');
}

function inWords({ kind, reason, tried }: Acceleration & { tried: boolean }): string {
  if (kind === 'tcg') return `${reason}, so emulated (tcg)`;
  return tried ? '/dev/kvm can be used (kvm)' : '/dev/kvm can be opened (kvm, not tried yet)';
}

/** Where the plan said KVM and the trial says emulation. */
function fallbackWarnings(plan: DeploymentPlan, { kind, reason }: Acceleration): string[] {
  if (kind === plan.acceleration) return [];
  return [`vm: ${reason}; so emulated (tcg)`, `vm: ${EMULATED_WARNING}`];
}

/** The plan with the acceleration that `prepare` found to work: what runs, and is recorded. */
function settledPlan(plan: DeploymentPlan, prepared: Prepared): DeploymentPlan {
  const settled = (prepared.handles as unknown as VmHandles).acceleration;
  return {
    ...plan,
    acceleration: settled.kind,
    providerReason: `${plan.providerReason?.split('; ')[0]}; ${inWords({ ...settled, tried: true })}`,
    warnings: [...plan.warnings, ...fallbackWarnings(plan, settled)],
  };
}

function noRuntime(runtime: string): ScratchpadError {
  return new ScratchpadError('TARGET_UNAVAILABLE', `vm cannot run the workload on ${runtime}.`, {
    hint: 'Use `--runtime node`.',
  });
}
