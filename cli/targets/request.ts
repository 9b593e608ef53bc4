/** From a command's flags to DeployOptions: shared by deploy, probe, load and bench. */
import { ScratchpadError } from '../errors.ts';
import { limitsFor, newDeployOptions } from './options.ts';
import type { DeployOptions, PathKind, RuntimeName, TargetName } from './target.ts';

export interface DeploymentFlags {
  provider?: string | undefined;
  cpus?: number | undefined;
  memory?: number | undefined;
  limits: 'equal' | 'classic';
  runtime: RuntimeName;
  path?: string | undefined;
  /** Folder of the built workload to run; this build's own where it is not given. */
  artifactFolder?: string | undefined;
}

const PATHS: readonly PathKind[] = [
  'loopback',
  'docker-proxy',
  'iptables',
  'host-network',
  'hostfwd',
  'bridge',
  'ssh-tunnel',
];

/** Below this Node does not start: said here instead of by an OOM kill. */
const MIN_NODE_MEMORY_BYTES = 64 * 1024 * 1024;

/** @throws ScratchpadError BAD_FLAG */
export function deployOptionsFrom(
  target: TargetName,
  flags: DeploymentFlags,
  more: Partial<DeployOptions> = {},
): DeployOptions {
  if (flags.path !== undefined && !PATHS.includes(flags.path as PathKind)) {
    throw new ScratchpadError('BAD_FLAG', `There is no path "${flags.path}"`, {
      hint: `Paths are ${PATHS.join(', ')}; a target offers some of them.`,
    });
  }
  if (flags.memory !== undefined && flags.memory < MIN_NODE_MEMORY_BYTES) {
    throw new ScratchpadError('BAD_FLAG', 'The memory ceiling is below 64 MiB', {
      hint: 'Node alone needs about 50 MiB: write e.g. --memory 256m.',
    });
  }
  return newDeployOptions({
    // Providers and paths belong to one target: `bench --provider qemu` is about the VM.
    provider: target === 'vm' ? (flags.provider ?? null) : null,
    runtime: flags.runtime,
    path: (flags.path as PathKind | undefined) ?? null,
    ...(flags.artifactFolder === undefined ? {} : { artifactFolder: flags.artifactFolder }),
    limits: limitsFor(target, {
      profile: flags.limits,
      cpus: flags.cpus,
      memoryBytes: flags.memory,
    }),
    ...more,
  });
}
