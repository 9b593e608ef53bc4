/** Before a bench goes on: the workload is the declared one, and nothing of a crash still runs. */
import { ScratchpadError } from '../errors.ts';
import { isUnavailable } from '../record/measured.ts';
import { nodeBinary, readArtifact } from '../targets/artifact.ts';
import { attachDeployment, isBeingCreated } from '../targets/deploy.ts';
import type { ProcessIdentity } from '../targets/process-identity.ts';
import { readStates } from '../targets/state.ts';
import type { DeploymentState, Progress } from '../targets/target.ts';
import type { LoadedBench } from './folder.ts';
import type { BenchPlan } from './plan.ts';

/**
 * Trials of another workload would be refused by the comparison, hours later.
 * @throws RECORDS_NOT_COMPARABLE where a hash is another; ARTIFACT_MISSING
 */
export async function assertSameWorkload(
  { bench, trials }: LoadedBench,
  { artifacts }: Pick<BenchPlan, 'artifacts'>,
): Promise<void> {
  for (const [name, { folder, sha256 }] of Object.entries(artifacts ?? {})) {
    requireSame(`the workload ${name} in ${folder}`, sha256, readArtifact(folder).sha256);
  }
  // of each trial the hash was read inside the target
  const ran = trials.find(({ artifact }) => artifact !== null)?.artifact;
  if (artifacts === undefined) {
    const declared = bench.plan['artifactSha256'] ?? ran?.sha256;
    requireSame('the workload', declared, readArtifact().sha256);
  }
  if (ran?.runtime === 'node') {
    requireSame('the Node binary', ran.runtimeSha256, (await nodeBinary()).sha256);
  }
}

/** What is not known of then is no reason to refuse. */
function requireSame(what: string, then: unknown, now: string): void {
  if (then === undefined || isUnavailable(then) || then === now) return;
  throw new ScratchpadError('RECORDS_NOT_COMPARABLE', `Not resumed: ${what} is not that bench’s`, {
    cause: `SHA-256 then: ${String(then)}; now: ${now}`,
    hint: 'Go back to what it was started with (the same commit, built again), or start a new bench.',
    details: { then, now },
  });
}

/**
 * Removes what the process of a bench left deployed when it was killed, and warns of what others have
 * deployed: both would take the time of what is measured.
 * @throws CLEANUP_INCOMPLETE and what else `destroy` throws: then the bench must not go on
 */
export async function clearTheWay(
  crashed: ProcessIdentity | null,
  progress: Progress & { line(text: string): void },
): Promise<void> {
  for (const state of readStates().states) {
    const name = `${state.target} ${state.id} (${state.url})`;
    if (crashed !== null && isOf(state, crashed)) {
      progress.line(`removing ${name}: the bench that was cut off left it`);
      await (await attachDeployment(state)).destroy();
    } else if (await mayRun(state)) {
      progress.warn(`${name} is deployed: it runs beside what is measured`);
    }
  }
}

function isOf({ deployer }: DeploymentState, { pid, startTicks }: ProcessIdentity): boolean {
  return deployer?.pid === pid && deployer.startTicks === startTicks;
}

async function mayRun(state: DeploymentState): Promise<boolean> {
  if (isBeingCreated(state)) return true;
  try {
    return (await (await attachDeployment(state)).liveness()).alive;
  } catch {
    return true; // an engine that does not answer: it is not known
  }
}
