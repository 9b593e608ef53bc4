/**
 * Targets from outside: a module whose default export makes a Target from the kit. Named by its path
 * (`deploy ./nice.mjs`), by SCRATCHPAD_TARGETS, or by the state of what it has deployed.
 */
import { statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { removeCgroup } from './bare/cgroup.ts';
import { cgroupName } from './bare/names.ts';
import { processesOf } from './bare/processes.ts';
import type { CreateTarget } from './kit.ts';
import { terminate } from './process-identity.ts';
import { removeState } from './state.ts';
import type { DeploymentPlan, DeploymentState, Target } from './target.ts';

const STEPS = ['availability', 'plan', 'prepare', 'start', 'attach', 'sweep'] as const;

/**
 * Imports and checks the module at `file` (absolute).
 * @throws BAD_MODULE where it cannot be read, does not load or makes no Target
 */
export async function loadExternalTarget(
  file: string,
  builtIn: readonly string[],
): Promise<Target> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw bad(file, 'there is no such file');
  }
  const [{ targetKit }, module] = await Promise.all([
    import('./kit.ts'),
    import(pathToFileURL(file).href).catch((cause: unknown) => {
      throw bad(file, 'it does not load', cause);
    }) as Promise<{ default?: CreateTarget }>,
  ]);
  if (typeof module.default !== 'function') throw bad(file, 'its default export is no function');
  let target: Target;
  try {
    target = module.default(targetKit);
  } catch (cause) {
    throw bad(file, 'its default export throws', cause);
  }
  const problem = problemOf(target, builtIn);
  if (problem !== null) throw bad(file, problem);
  return guarded(target, file);
}

/**
 * Removes what can be found of a deployment whose module does not load any more: marked processes,
 * the cgroup, the state. False: a process does not end, so the state is kept.
 */
export async function removeWithoutModule(state: DeploymentState): Promise<boolean> {
  if ((await terminate(processesOf(state.id, null), 1_000)).length > 0) return false;
  await removeCgroup(cgroupName(state.id));
  removeState(state.id);
  return true;
}

function problemOf(target: Target, builtIn: readonly string[]): string | null {
  if (typeof target !== 'object' || target === null) return 'its default export returns no object';
  const { name, summary, providers } = target;
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]{0,30}$/.test(name)) {
    return `its name is ${JSON.stringify(name)}, not 1 to 31 of a-z, 0-9 and "-"`;
  }
  if (builtIn.includes(name)) return `"${name}" is the name of a built-in target`;
  if (typeof summary !== 'string') return 'it has no summary';
  if (!Array.isArray(providers)) return 'its providers are no list';
  const missing = STEPS.find((step) => typeof target[step] !== 'function');
  return missing === undefined ? null : `it has no function ${missing}()`;
}

/** Whatever a step throws that is no ScratchpadError is the module's fault, and said so. */
function guarded(target: Target, file: string): Target {
  const wrap = (step: (typeof STEPS)[number]) => {
    const call = target[step] as (...args: unknown[]) => Promise<unknown>;
    return async (...args: unknown[]) => {
      try {
        const result = await call.apply(target, args);
        // records and states are found by this name, whatever a copied `plan` says
        return step === 'plan' ? { ...(result as DeploymentPlan), target: target.name } : result;
      } catch (cause) {
        if (isScratchpadError(cause) || isAbort(args)) throw cause;
        throw new ScratchpadError('TARGET_START_FAILED', `${target.name}: ${step} failed`, {
          cause,
          hint: `That is a fault of the target module ${file}.`,
        });
      }
    };
  };
  const steps = STEPS.map((step) => [step, { value: wrap(step) }] as const);
  return Object.create(target, Object.fromEntries(steps)) as Target;
}

function isAbort(args: unknown[]): boolean {
  return args.some((arg) => arg instanceof AbortSignal && arg.aborted);
}

function bad(file: string, problem: string, cause?: unknown): ScratchpadError {
  return new ScratchpadError('BAD_MODULE', `${file} is no target module: ${problem}`, {
    cause,
    hint: 'CONTRIBUTING.md says what it must export; fixtures/targets/nice.mjs is an example.',
  });
}
