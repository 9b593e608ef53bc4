/**
 * The workload's environment, the same for every target but for where the database lies: nothing
 * is inherited, so that a NODE_OPTIONS in the user's shell cannot make one target differ.
 * The variables are those of workload/config.ts.
 */
import { runtimeEnvironment } from './runtime.ts';
import type { DeployOptions } from './target.ts';

export interface WorkloadPlace {
  /** Address and port to listen on inside the target. */
  host: string;
  port: number;
  /** Absolute path of the database inside the target. */
  databaseFile: string;
}

export function workloadEnvironment(
  options: DeployOptions,
  place: WorkloadPlace,
): Record<string, string> {
  return {
    NODE_ENV: 'production',
    TZ: 'UTC',
    SCRATCHPAD_HOST: place.host,
    SCRATCHPAD_PORT: String(place.port),
    SCRATCHPAD_DB_URL: `file:${place.databaseFile}`,
    SCRATCHPAD_NONCE: options.nonce,
    SCRATCHPAD_LOG: options.requestLog ? 'requests' : 'off',
    SCRATCHPAD_SEED: options.seed ? '1' : '0',
    ...runtimeEnvironment(options.runtime),
  };
}
