/** From a command's flags to DeployOptions: shared by deploy, probe, load and bench. */
import { ScratchpadError } from '../errors.ts';
import type { DeployOptions, PathKind, RuntimeName } from './target.ts';

export interface DeploymentFlags {
  provider?: string | undefined;
  cpus?: number | undefined;
  memory?: number | undefined;
  limits: 'equal' | 'classic';
  runtime: RuntimeName;
  path?: string | undefined;
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

/** The part of DeployOptions that flags decide; the rest is filled in by `newDeployOptions`. */
export function requestFromFlags(flags: DeploymentFlags): Partial<DeployOptions> & {
  limitsProfile: 'equal' | 'classic';
  cpus?: number;
  memoryBytes?: number;
} {
  if (flags.path !== undefined && !PATHS.includes(flags.path as PathKind)) {
    throw new ScratchpadError('BAD_FLAG', `There is no path "${flags.path}"`, {
      hint: `Paths are ${PATHS.join(', ')}; a target offers some of them.`,
    });
  }
  if (flags.memory !== undefined && flags.memory < 64 * 1024 * 1024) {
    throw new ScratchpadError('BAD_FLAG', 'The memory ceiling is below 64 MiB', {
      hint: 'Node alone needs about 50 MiB: write e.g. --memory 256m.',
    });
  }
  return {
    provider: flags.provider ?? null,
    runtime: flags.runtime,
    path: (flags.path as PathKind | undefined) ?? null,
    limitsProfile: flags.limits,
    ...(flags.cpus === undefined ? {} : { cpus: flags.cpus }),
    ...(flags.memory === undefined ? {} : { memoryBytes: flags.memory }),
  };
}
