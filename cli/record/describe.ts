/** What a deployment is, in the record's words. */
import type { Deployment } from '../targets/target.ts';
import type { Verification } from '../targets/verify.ts';
import { unavailable } from './measured.ts';
import type { LoadRecord, TrialRecord } from './schema.ts';

export function describeTarget({ state, url }: Deployment): LoadRecord['target'] {
  return {
    name: state.target,
    provider: state.provider,
    url,
    path: state.plan.path,
    acceleration: state.plan.acceleration,
    runtime: state.plan.options.runtime,
  };
}

export function describeArtifact(
  { state }: Deployment,
  verified: Verification | null,
): NonNullable<TrialRecord['artifact']> {
  if (verified) {
    return {
      sha256: verified.artifactSha256,
      runtime: verified.runtime,
      runtimeVersion: verified.runtimeVersion,
      runtimeSha256: verified.runtimeSha256,
      verifiedInTarget: true,
      verifiedBy: verified.verifiedBy,
      ...(verified.synchronous == null ? {} : { synchronous: verified.synchronous }),
    };
  }
  const unknown = unavailable('the workload was not asked');
  return {
    sha256: state.prepared?.artifactSha256 ?? unknown,
    runtime: state.plan.options.runtime,
    runtimeVersion: unknown,
    runtimeSha256: state.prepared?.runtimeSha256 ?? unknown,
    verifiedInTarget: false,
  };
}
