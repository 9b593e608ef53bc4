/**
 * The bench's common rate: each target's capacity in a short closed loop, then half of the
 * slowest's. Without it a rate that one target cannot carry would measure its queue.
 */

import { ScratchpadError } from '../errors.ts';
import type { Pinning } from '../host/pinning.ts';
import { measureLoad } from '../load/measure.ts';
import type { Scenario } from '../load/types.ts';
import { launch } from '../probe/launch.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { Progress } from '../targets/target.ts';
import { type BenchPlan, rateFromCapacities } from './plan.ts';

export interface Calibration {
  ratePerSecond: number;
  /** Closed-loop requests/s by target: a bound for the rate, not a result. */
  capacities: Record<string, number>;
}

export async function calibrate(request: {
  targets: string[];
  plan: BenchPlan;
  scenario: Scenario;
  flags: DeploymentFlags;
  pinning: Pinning;
  progress: Progress;
  signal: AbortSignal;
}): Promise<Calibration> {
  const { targets, plan, scenario, flags, pinning, progress, signal } = request;
  const capacities: Record<string, number> = {};
  for (const target of targets) {
    progress.step(`${target}: calibration`);
    const { deployment } = await launch({
      target,
      flags,
      port: null,
      options: { cpuSet: pinning.targetCpus, healthCheck: false },
      progress,
      signal,
    });
    try {
      const { load } = await measureLoad({
        url: deployment.url,
        deployment,
        options: {
          url: deployment.url,
          loop: 'closed',
          ratePerSecond: null,
          arrival: 'constant',
          connections: plan.saturationConnections,
          durationMs: plan.calibrationMs,
          warmupMs: plan.warmupMs,
          drainMs: 5000,
          timeoutMs: 10_000,
          seed: plan.seed,
          workers: 1,
          scenario,
          headers: {},
        },
        generatorCpus: pinning.generatorCpus,
        signal,
      });
      if (load.counts.answered === 0) {
        throw new ScratchpadError('ALL_REQUESTS_FAILED', `${target} answered nothing`, {
          cause: JSON.stringify(load.errors),
          hint: `Try \`scratchpad load ${target} --connections 1 --duration 5\`.`,
        });
      }
      capacities[target] = load.requestsPerSecond;
    } finally {
      await deployment.destroy();
    }
  }
  return { ratePerSecond: rateFromCapacities(Object.values(capacities)), capacities };
}
