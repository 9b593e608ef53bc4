/** Before anything is started: the artifact on disk is still the one that the build described. */
import { join } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import { type Artifact, readArtifact } from './artifact.ts';
import { sha256OfFile } from './file-hash.ts';

/** @throws ARTIFACT_MISSING where a file is gone or has been changed since the build */
export async function checkedArtifact(folder?: string): Promise<Artifact> {
  const artifact = readArtifact(folder);
  await Promise.all(
    Object.entries(artifact.files).map(async ([path, expected]) => {
      const found = await sha256OfFile(join(artifact.folder, path)).catch(() => null);
      if (found === expected.sha256) return;
      throw new ScratchpadError(
        'ARTIFACT_MISSING',
        `${join(artifact.folder, path)} ${found === null ? 'is missing' : 'has changed since the build'}.`,
        { hint: 'Run `npm run build`.' },
      );
    }),
  );
  return artifact;
}
