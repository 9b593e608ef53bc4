/** Defaults of a deployment: names, nonce, port and ceilings. Pure, but for the random id. */
import { randomBytes } from 'node:crypto';
import { ScratchpadError } from '../errors.ts';
import type { DeployOptions, Limits, TargetName } from './target.ts';

export const DEFAULT_PORT = 5001;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Docker itself refuses less than 6 MiB; the same floor for all keeps the error in one place. */
const MIN_MEMORY_BYTES = 6 * MIB;

/** Processes and threads of one deployment: Node takes about 11, so this stops only a fork bomb. */
export const MAX_PIDS = 256;

export type LimitsProfile = 'equal' | 'classic';

/**
 * The predecessor's unequal ceilings. It had no bare target: bare gets the container's, so that
 * the two that share a kernel stay comparable.
 */
const CLASSIC: Record<'container' | 'machine', Omit<Limits, 'profile'>> = {
  container: { cpus: 1, memoryBytes: 256 * MIB },
  machine: { cpus: 2, memoryBytes: GIB },
};

export interface LimitsChoice {
  profile?: LimitsProfile | undefined;
  cpus?: number | undefined;
  memoryBytes?: number | undefined;
}

/**
 * The ceilings of a target: 1 CPU and 1 GiB for every one (`equal`), the predecessor's (`classic`),
 * or either with `cpus` or `memoryBytes` replaced (`custom`).
 * @throws BAD_FLAG where a figure is no ceiling
 */
export function limitsFor(target: TargetName, choice: LimitsChoice = {}): Limits {
  const profile = choice.profile ?? 'equal';
  const base =
    profile === 'classic'
      ? CLASSIC[target === 'vm' ? 'machine' : 'container']
      : { cpus: 1, memoryBytes: GIB };
  const cpus = choice.cpus ?? base.cpus;
  const memoryBytes = choice.memoryBytes ?? base.memoryBytes;
  if (!(cpus >= 0.01 && Number.isFinite(cpus))) {
    throw new ScratchpadError('BAD_FLAG', `${cpus} is no number of CPUs.`, {
      hint: 'Give at least 0.01, e.g. `--cpus 1`.',
    });
  }
  if (!(Number.isInteger(memoryBytes) && memoryBytes >= MIN_MEMORY_BYTES)) {
    throw new ScratchpadError('BAD_FLAG', `${memoryBytes} bytes is no memory ceiling.`, {
      hint: 'Give at least 6 MiB, e.g. `--memory 512m`.',
    });
  }
  const custom = cpus !== base.cpus || memoryBytes !== base.memoryBytes;
  return { profile: custom ? 'custom' : profile, cpus, memoryBytes };
}

/** Options of a new deployment, with a fresh id and nonce where none are given. */
export function newDeployOptions(partial: Partial<DeployOptions> = {}): DeployOptions {
  const options: DeployOptions = {
    id: randomBytes(5).toString('hex'),
    nonce: randomBytes(16).toString('hex'),
    host: '127.0.0.1',
    port: DEFAULT_PORT,
    limits: limitsFor('bare'),
    runtime: 'node',
    provider: null,
    path: null,
    cpuSet: null,
    requestLog: false,
    healthCheck: false,
    seed: true,
    ...partial,
  };
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(options.id)) {
    throw new ScratchpadError('BAD_FLAG', `"${options.id}" is no deployment id.`, {
      hint: 'Use up to 41 of a-z, 0-9 and "-".',
    });
  }
  return options;
}
