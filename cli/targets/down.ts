/** Stop and remove: one target's deployments, or all that this state folder owns. */
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { removeHalfWritten } from '../record/store.ts';
import { attachDeployment } from './deploy.ts';
import { allTargetNames, loadTarget } from './registry.ts';
import {
  type BrokenState,
  listDeployments,
  readStates,
  removeStaleFiles,
  removeState,
} from './state.ts';
import type { DeploymentState, Progress } from './target.ts';

export interface DownResult {
  /** What was removed, in words; empty where nothing was there. */
  removed: string[];
}

/** Removes every deployment of a target. @throws UNKNOWN_TARGET, CLEANUP_INCOMPLETE */
export async function downTarget(name: string, progress: Progress): Promise<DownResult> {
  await loadTarget(name);
  const states = listDeployments().filter(({ target }) => target === name);
  const work = await removeStates(states, progress);
  return finish(work);
}

/**
 * Removes every deployment, whatever its state file says, then what has none: processes,
 * containers, volumes and machines that a crashed run left.
 * @throws CLEANUP_INCOMPLETE, after everything else has been removed
 */
export async function downAll(progress: Progress): Promise<DownResult> {
  const { states, broken } = readStates();
  const work = await removeStates(states, progress);
  for (const name of await allTargetNames()) {
    progress.step(`looking for what ${name} left behind`);
    try {
      const target = await loadTarget(name);
      work.removed.push(...(await target.sweep(progress)).removed);
    } catch (error) {
      // an engine that is stopped matters only if something of ours is known to be there
      if (states.some(({ target }) => target === name) || broken.length > 0) {
        work.failures.push(`${name}: ${messageOf(error)}`);
      } else {
        progress.warn(`${name}: could not look for left-overs: ${messageOf(error)}`);
      }
    }
  }
  // a file that tells nothing is kept only while something of its could still be there
  if (work.failures.length === 0) for (const state of broken) dropBroken(state, work);
  removeStaleFiles();
  for (const file of removeHalfWritten(resultsFolder())) work.removed.push(`half-written ${file}`);
  return finish(work);
}

interface Work {
  removed: string[];
  failures: string[];
}

async function removeStates(states: DeploymentState[], progress: Progress): Promise<Work> {
  const work: Work = { removed: [], failures: [] };
  for (const state of states) {
    const name = `${state.target} ${state.id} (${state.url})`;
    progress.step(`removing ${name}`);
    try {
      await (await attachDeployment(state)).destroy();
      work.removed.push(name);
    } catch (error) {
      // UNKNOWN_TARGET: the module is there and makes a target of another name by now
      if (isScratchpadError(error) && ['BAD_MODULE', 'UNKNOWN_TARGET'].includes(error.code)) {
        const { removeWithoutModule } = await import('./external.ts');
        if (await removeWithoutModule(state)) {
          progress.warn(
            `${name}: its module is gone (${state.module ?? 'which, its state does not say'}): ` +
              'its processes were ended; what else it made is not known',
          );
          work.removed.push(name);
          continue;
        }
      }
      work.failures.push(`${name}: ${messageOf(error)}`);
    }
  }
  return work;
}

function dropBroken({ id, file, reason }: BrokenState, work: Work): void {
  removeState(id);
  work.removed.push(`state file ${file} (${reason})`);
}

function finish({ removed, failures }: Work): DownResult {
  if (failures.length === 0) return { removed };
  throw new ScratchpadError('CLEANUP_INCOMPLETE', `Could not remove: ${failures.join('; ')}`, {
    hint: 'Mend the cause (is the engine running?) and run `scratchpad down --all` again.',
    details: { removed, failures },
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
