/** What every target needs: Node, the artifact, CPUs, room, the port; and the bare one, cgroups. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { isScratchpadError } from '../../errors.ts';
import { nodeBinary } from '../../targets/artifact.ts';
import { checkedArtifact } from '../../targets/artifact-check.ts';
import { cgroupLayout } from '../../targets/bare/cgroup-layout.ts';
import { DEFAULT_PORT } from '../../targets/options.ts';
import { assertPortFree } from '../../targets/port.ts';
import { readStates } from '../../targets/state.ts';
import type { Check } from './check.ts';

const MIN_FREE_BYTES = 2 * 1024 ** 3;

export async function commonChecks(): Promise<Check[]> {
  return Promise.all([
    checkNode(),
    checkArtifact(),
    checkCpus(),
    checkCgroups(),
    checkDisk(),
    checkPort(),
  ]);
}

async function checkNode(): Promise<Check> {
  const { version, pinned } = await nodeBinary();
  const base = { name: 'Node', for: 'all' } as const;
  if (pinned) return { ...base, status: 'ok', found: `${version}, the pinned one`, mend: null };
  return {
    ...base,
    status: 'limited',
    found: `this host's ${version}; no pinned package is installed for ${process.platform}-${process.arch}`,
    mend: 'npm ci --include=optional',
  };
}

async function checkArtifact(): Promise<Check> {
  const base = { name: 'workload', for: 'all' } as const;
  try {
    const { sha256 } = await checkedArtifact();
    return { ...base, status: 'ok', found: `built, ${sha256.slice(0, 12)}`, mend: null };
  } catch (error) {
    if (!isScratchpadError(error)) throw error;
    return { ...base, status: 'missing', found: error.message, mend: 'npm run build' };
  }
}

async function checkCpus(): Promise<Check> {
  const cpus = availableParallelism();
  const base = { name: 'CPUs', for: 'all', mend: null } as const;
  if (cpus >= 2) return { ...base, status: 'ok', found: `${cpus}` };
  return {
    ...base,
    status: 'limited',
    found: '1: generator and target cannot be pinned apart, so figures are void where it matters',
  };
}

async function checkCgroups(): Promise<Check> {
  const layout = cgroupLayout();
  const base = { name: 'cgroups', for: 'bare' } as const;
  if (layout.version !== null) {
    return { ...base, status: 'ok', found: `version ${layout.version}, writable`, mend: null };
  }
  const canMend = process.platform === 'linux' && process.geteuid?.() !== 0;
  return {
    ...base,
    status: 'limited',
    found: `${layout.reason}: bare runs without its ceilings`,
    mend: canMend ? 'systemd-run --user --scope scratchpad …, or sudo' : null,
  };
}

async function checkDisk(): Promise<Check> {
  const base = { name: 'disk', for: 'all' } as const;
  // the state and the cache lie below, and may not exist yet
  const { bavail, bsize } = await statfs(homedir());
  const free = bavail * bsize;
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free in ${homedir()}`;
  if (free >= MIN_FREE_BYTES) return { ...base, status: 'ok', found, mend: null };
  return {
    ...base,
    status: 'limited',
    found: `${found}; an image takes 0.3 GiB, a VM's box and disk 1.5 GiB`,
    mend: 'free some space',
  };
}

async function checkPort(): Promise<Check> {
  const base = { name: `port ${DEFAULT_PORT}`, for: 'all' } as const;
  try {
    await assertPortFree('127.0.0.1', DEFAULT_PORT);
    return { ...base, status: 'ok', found: 'free', mend: null };
  } catch (error) {
    if (!isScratchpadError(error)) throw error;
    const ours = readStates().states.find(({ plan }) => plan.options.port === DEFAULT_PORT);
    if (ours) {
      const found = `taken by our own deployment of ${ours.target}`;
      return { ...base, status: 'ok', found, mend: null };
    }
    return { ...base, status: 'limited', found: error.message, mend: 'use --port' };
  }
}
