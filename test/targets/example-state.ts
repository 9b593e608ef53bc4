/** Valid plans and states, to be changed. */
import { newDeployOptions } from '../../cli/targets/options.ts';
import type { DeploymentPlan, DeploymentState } from '../../cli/targets/target.ts';

/** A plan of the docker target, published by docker-proxy where nothing else is asked. */
export function dockerPlan(partial: Parameters<typeof newDeployOptions>[0] = {}): DeploymentPlan {
  const options = newDeployOptions(partial);
  return {
    target: 'docker',
    provider: null,
    providerReason: null,
    options,
    path: options.path ?? 'docker-proxy',
    acceleration: null,
    warnings: [],
  };
}

/** The state of a bare deployment. */
export function exampleState(partial: Partial<DeploymentState> = {}): DeploymentState {
  const options = newDeployOptions(partial.id ? { id: partial.id } : {});
  return {
    schemaVersion: 1,
    id: options.id,
    target: 'bare',
    provider: null,
    phase: 'running',
    createdAt: new Date(0).toISOString(),
    url: 'http://127.0.0.1:5001/',
    nonce: options.nonce,
    plan: {
      target: 'bare',
      provider: null,
      providerReason: null,
      options,
      path: 'loopback',
      acceleration: null,
      warnings: [],
    },
    prepared: null,
    resources: { process: { pid: 1, startTicks: 2 } },
    ...partial,
  };
}
