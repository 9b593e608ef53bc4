/** `bench --artifact base=FOLDER --artifact head=FOLDER`: built workloads as what is compared. */
import { resolve } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import { readArtifact } from '../targets/artifact.ts';
import type { PlannedArtifact } from './plan.ts';

const SPEC = /^(?<name>[a-z0-9][a-z0-9._-]{0,40})=(?<folder>.+)$/i;

/**
 * @param specs `name=folder`, in the order in which they are compared: the first is the baseline
 * @returns undefined where none is named
 * @throws BAD_FLAG, ARTIFACT_MISSING where a folder holds no built workload
 */
export function readArtifacts(
  specs: readonly string[] | undefined,
): Record<string, PlannedArtifact> | undefined {
  if (specs === undefined || specs.length === 0) return undefined;
  const artifacts: Record<string, PlannedArtifact> = {};
  for (const spec of specs) {
    const { name, folder } = SPEC.exec(spec)?.groups ?? {};
    if (name === undefined || folder === undefined) {
      throw new ScratchpadError('BAD_FLAG', `--artifact "${spec}" is not NAME=FOLDER`, {
        hint: 'Name a built workload: --artifact head=dist/workload',
      });
    }
    if (name in artifacts) {
      throw new ScratchpadError('BAD_FLAG', `--artifact names "${name}" twice`, {
        hint: 'Each artifact has its own name, e.g. base and head.',
      });
    }
    artifacts[name] = { folder: resolve(folder), sha256: readArtifact(resolve(folder)).sha256 };
  }
  return artifacts;
}
