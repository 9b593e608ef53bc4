/** A valid state of a bare deployment, to be changed. */
import { newDeployOptions } from '../../cli/targets/options.ts';
import type { DeploymentState } from '../../cli/targets/target.ts';

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
