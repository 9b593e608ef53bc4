/** What each target may use, and the CPUs that go with it: the VM of `--limits classic` has two. */
import { choosePinning, type Pinning } from '../host/pinning.ts';
import { limitsFor } from '../targets/options.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { Limits } from '../targets/target.ts';
import { targetOfLabel } from './plan.ts';

/** By target. */
export type Ceilings = Record<string, Limits>;

export function ceilingsOf(labels: readonly string[], flags: DeploymentFlags): Ceilings {
  const choice = { profile: flags.limits, cpus: flags.cpus, memoryBytes: flags.memory };
  const targets = new Set(labels.map(targetOfLabel));
  return Object.fromEntries([...targets].map((target) => [target, limitsFor(target, choice)]));
}

/** `bare 1 CPU, 256 MiB; vm 2 CPUs, 1024 MiB`, where they are not the same for all; else null. */
export function unequalWords(ceilings: Ceilings): string | null {
  const words = Object.entries(ceilings).map(([target, { cpus, memoryBytes }]) => ({
    target,
    limits: `${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}, ${Math.round(memoryBytes / 2 ** 20)} MiB`,
  }));
  if (new Set(words.map(({ limits }) => limits)).size < 2) return null;
  return words.map(({ target, limits }) => `${target} ${limits}`).join('; ');
}

/** By target; the generator's CPUs are the same for all. */
export type Pinnings = ReadonlyMap<string, Pinning>;

export async function choosePinnings(ceilings: Ceilings): Promise<Pinnings> {
  const pinnings = new Map<string, Pinning>();
  for (const [target, { cpus }] of Object.entries(ceilings)) {
    pinnings.set(target, await choosePinning({ cpus }));
  }
  return pinnings;
}

/** What a reader must know of them; without names where it is the same for every target. */
export function pinningWarnings(pinnings: Pinnings): string[] {
  const targets = new Map<string, string[]>();
  for (const [target, { warning }] of pinnings) {
    if (warning !== undefined) targets.set(warning, [...(targets.get(warning) ?? []), target]);
  }
  return [...targets].map(([warning, names]) =>
    names.length === pinnings.size ? warning : `${names.join(', ')}: ${warning}`,
  );
}

/** @throws Error for a label whose target is not among them: a bug */
export function pinningOf(pinnings: Pinnings, label: string): Pinning {
  const pinning = pinnings.get(targetOfLabel(label));
  if (pinning === undefined) throw new Error(`no pinning was chosen for ${label}`);
  return pinning;
}
