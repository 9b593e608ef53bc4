/** The targets by name. Each is imported only when it is asked for: a command pays for one. */
import { ScratchpadError } from '../errors.ts';
import { closest } from '../text/closest.ts';
import type { Target, TargetName } from './target.ts';

const LOADERS: Record<TargetName, () => Promise<Target>> = {
  bare: async () => (await import('./bare/bare.ts')).bare,
  docker: async () => (await import('./docker/docker.ts')).docker,
  vm: async () => (await import('./vm/vm.ts')).vm,
};

/** In the order in which they are listed and, where nothing else says, run. */
export function targetNames(): TargetName[] {
  return Object.keys(LOADERS);
}

/** @throws UNKNOWN_TARGET, with the nearest name as a hint */
export async function loadTarget(name: TargetName): Promise<Target> {
  const load = Object.hasOwn(LOADERS, name) ? LOADERS[name] : undefined;
  if (load) return load();
  const near = closest(name, targetNames());
  throw new ScratchpadError('UNKNOWN_TARGET', `There is no target "${name}".`, {
    hint: near
      ? `Did you mean "${near}"? The targets are: ${targetNames().join(', ')}.`
      : `The targets are: ${targetNames().join(', ')}.`,
  });
}
