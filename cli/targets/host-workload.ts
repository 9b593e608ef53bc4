/** The workload as it lies on this host: what a process of this host runs. */
import { join } from 'node:path';
import { checkedArtifact } from './artifact-check.ts';
import { runtimeBinary, runtimeCommand } from './runtime.ts';
import type { DeployOptions } from './target.ts';

/** Verified: every target must run exactly this. */
export interface HostWorkload {
  /** Program and arguments. */
  command: string[];
  /** The folder with the bundle and its native libSQL. */
  folder: string;
  runtimePath: string;
  runtimeVersion: string;
  /** For `Prepared`: what `scratchpad` asks the running workload to prove. */
  artifactSha256: string;
  runtimeSha256: string;
  warnings: string[];
}

/** @throws ARTIFACT_MISSING, RUNTIME_MISSING where that runtime is not installed */
export async function hostWorkload({
  runtime,
  artifactFolder,
}: Pick<DeployOptions, 'runtime' | 'artifactFolder'>): Promise<HostWorkload> {
  const [artifact, binary] = await Promise.all([
    checkedArtifact(artifactFolder),
    runtimeBinary(runtime),
  ]);
  const entry = join(artifact.folder, artifact.entries[runtime]);
  return {
    command: runtimeCommand(runtime, binary.path, entry),
    folder: artifact.folder,
    runtimePath: binary.path,
    runtimeVersion: binary.version,
    artifactSha256: artifact.sha256,
    runtimeSha256: binary.sha256,
    warnings: binary.warnings,
  };
}
