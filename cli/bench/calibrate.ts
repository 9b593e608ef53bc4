/**
 * The bench's common rate: each target's capacity in a short closed loop, then a third of the
 * slowest's. Without it a rate that one target cannot carry would measure its queue.
 */

import { isScratchpadError, ScratchpadError } from '../errors.ts';
import type { Pinning } from '../host/pinning.ts';
import { measureLoad } from '../load/measure.ts';
import type { Scenario } from '../load/types.ts';
import { launch } from '../probe/launch.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { Progress } from '../targets/target.ts';
import { benchLoad } from './bench-load.ts';
import { type Pinnings, pinningOf } from './ceilings.ts';
import { artifactFolderOf, type BenchPlan, rateFromCapacities, targetOfLabel } from './plan.ts';

export interface CalibrationRequest {
  /** Each once, without the control. */
  labels: string[];
  plan: BenchPlan;
  scenario: Scenario;
  flags: DeploymentFlags;
  pinnings: Pinnings;
  progress: Progress;
  signal: AbortSignal;
}

/** What a capacity is measured by. */
export interface CapacityRequest extends Omit<CalibrationRequest, 'labels' | 'plan' | 'pinnings'> {
  pinning: Pinning;
  plan: Pick<BenchPlan, 'saturationConnections' | 'calibrationMs' | 'warmupMs' | 'seed'>;
}

/**
 * Closed-loop requests/s of one target: a bound for the rate, not a result.
 * @throws what launch throws, ALL_REQUESTS_FAILED
 */
export async function measureCapacity(
  target: string,
  { plan, scenario, flags, pinning, progress, signal }: CapacityRequest,
): Promise<number> {
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
      options: benchLoad({
        loop: { connections: plan.saturationConnections },
        durationMs: plan.calibrationMs,
        warmupMs: plan.warmupMs,
        seed: plan.seed,
        scenario,
      }),
      generatorCpus: pinning.generatorCpus,
      signal,
    });
    if (signal.aborted) throw signal.reason;
    if (load.counts.answered > 0) return load.requestsPerSecond;
    throw new ScratchpadError('ALL_REQUESTS_FAILED', `${target} answered nothing`, {
      cause: JSON.stringify(load.errors),
      hint: `Try \`scratchpad load ${target} --connections 1 --duration 5\`.`,
    });
  } finally {
    await deployment.destroy();
  }
}

/** Above it one measures queues (docs/METHOD.md, 4). */
const MAX_SHARE_OF_CAPACITY = 0.6;

export interface Calibration {
  ratePerSecond: number;
  /** Requests/s by label. */
  capacities: Record<string, number>;
  /** Targets that could not be started, and why; only where `mayFail` allows it. */
  failed: Array<{ target: string; error: ScratchpadError }>;
}

/**
 * Deploys every target once, which also prepares it: what cannot start is known before the first
 * round. A target that nobody named may fail; the bench then goes on with the others.
 */
export async function calibrate(
  request: CalibrationRequest & { mayFail: (target: string) => boolean },
): Promise<Calibration> {
  const capacities: Record<string, number> = {};
  const failed: Calibration['failed'] = [];
  for (const label of request.labels) {
    const target = targetOfLabel(label);
    const flags = {
      ...request.flags,
      artifactFolder: artifactFolderOf(label, request.plan),
    };
    try {
      const pinning = pinningOf(request.pinnings, label);
      capacities[label] = await measureCapacity(target, { ...request, flags, pinning });
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      if (!isScratchpadError(error) || !request.mayFail(target)) throw error;
      failed.push({ target, error });
    }
  }
  const ratePerSecond = request.plan.ratePerSecond ?? rateFromCapacities(Object.values(capacities));
  const slowest = Math.min(...Object.values(capacities));
  if (ratePerSecond > MAX_SHARE_OF_CAPACITY * slowest) {
    request.progress.warn(
      `${ratePerSecond} requests/s is more than 60 % of the slowest target's capacity (${slowest.toFixed(0)}/s): its latency will be that of a queue`,
    );
  }
  return { ratePerSecond, capacities, failed };
}
