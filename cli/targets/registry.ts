/**
 * The targets by name. Each is imported only when it is asked for: a command pays for one. Beside
 * the built-in ones there are those from outside, by the path of their module: given as the name,
 * listed in SCRATCHPAD_TARGETS, or kept in the state of what they have deployed.
 */
import { delimiter, isAbsolute, resolve } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import { closest } from '../text/closest.ts';
import { readStates } from './state.ts';
import type { Target, TargetName } from './target.ts';

const LOADERS: Record<TargetName, () => Promise<Target>> = {
  bare: async () => (await import('./bare/bare.ts')).bare,
  docker: async () => (await import('./docker/docker.ts')).docker,
  vm: async () => (await import('./vm/vm.ts')).vm,
};

/** Targets from outside that this process has loaded, by name, and the absolute path of each. */
const external = new Map<TargetName, { target: Target; file: string }>();

/** The built-in ones, in the order in which they are listed and, where nothing else says, run. */
export function targetNames(): TargetName[] {
  return Object.keys(LOADERS);
}

/** The built-in ones and those of SCRATCHPAD_TARGETS. @throws BAD_MODULE */
export async function allTargetNames(): Promise<TargetName[]> {
  const names: TargetName[] = [];
  for (const file of listedModules()) names.push((await loadModule(file)).name);
  return [...new Set([...targetNames(), ...names])];
}

/**
 * The target of that name, or of the module at that path.
 * @throws UNKNOWN_TARGET, with the nearest name as a hint; BAD_MODULE
 */
export async function loadTarget(name: TargetName): Promise<Target> {
  const load = Object.hasOwn(LOADERS, name) ? LOADERS[name] : undefined;
  if (load) return load();
  if (isModulePath(name)) return loadModule(resolve(name));
  const known = external.get(name);
  if (known) return known.target;
  const deployedBy = readStates().states.flatMap((state) =>
    state.target === name && state.module !== undefined ? [state.module] : [],
  );
  for (const file of new Set([...listedModules(), ...deployedBy])) {
    const target = await loadModule(file);
    if (target.name === name) return target;
  }
  const names = await allTargetNames();
  const near = closest(name, names);
  throw new ScratchpadError('UNKNOWN_TARGET', `There is no target "${name}".`, {
    hint: near
      ? `Did you mean "${near}"? The targets are: ${names.join(', ')}.`
      : `The targets are: ${names.join(', ')}; one of your own is named by its path, ./my-target.mjs.`,
  });
}

/** A target's own name, where a path may have been typed. @throws as `loadTarget` */
export async function resolveTargetName<T extends string | undefined>(typed: T): Promise<T> {
  if (typed === undefined || !isModulePath(typed)) return typed;
  return (await loadTarget(typed)).name as T;
}

/** The module that a target came from, for the deployment's state; undefined: built in. */
export function moduleOf(name: TargetName): string | undefined {
  return external.get(name)?.file;
}

function isModulePath(name: string): boolean {
  return isAbsolute(name) || /[\\/]/.test(name) || /\.[cm]?[jt]s$/.test(name);
}

function listedModules(): string[] {
  const listed = process.env['SCRATCHPAD_TARGETS'] ?? '';
  return listed
    .split(delimiter)
    .filter(Boolean)
    .map((file) => resolve(file));
}

async function loadModule(file: string): Promise<Target> {
  for (const known of external.values()) if (known.file === file) return known.target;
  const { loadExternalTarget } = await import('./external.ts');
  const target = await loadExternalTarget(file, targetNames());
  const other = external.get(target.name);
  if (other) {
    throw new ScratchpadError('BAD_MODULE', `Two target modules are named "${target.name}"`, {
      cause: `${other.file} and ${file}`,
      hint: 'Rename one of them.',
    });
  }
  external.set(target.name, { target, file });
  return target;
}
