/**
 * One trial: a fresh deployment, its start-up, its latency at the bench's common rate, its
 * throughput at saturation, what it used, its shutdown. The deployment is gone at the end, whatever
 * happened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pinning } from '../host/pinning.ts';
import { measureLoad } from '../load/measure.ts';
import type { LoadTick, Scenario } from '../load/types.ts';
import type { MeterReading } from '../meters/meter.ts';
import { launch } from '../probe/launch.ts';
import { measureShutdown } from '../probe/start-up.ts';
import { describeTarget } from '../record/describe.ts';
import { type Measured, unavailable } from '../record/measured.ts';
import { type HostRecord, type TrialRecord, trialRecordSchema } from '../record/schema.ts';
import { newRecordId } from '../record/store.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import type { Deployment, Progress } from '../targets/target.ts';
import { benchLoad } from './bench-load.ts';
import { gateBreaches } from './gates.ts';
import { artifactFolderOf, type BenchPlan, latencyWarmupMs, targetOfLabel } from './plan.ts';

export interface TrialRequest {
  benchId: string;
  round: number;
  slot: number;
  label: string;
  plan: BenchPlan;
  ratePerSecond: number;
  scenario: Scenario;
  flags: DeploymentFlags;
  pinning: Pinning;
  host: HostRecord;
  progress: Progress;
  onTick?: (tick: LoadTick) => void;
  signal: AbortSignal;
}

export async function runTrial(request: TrialRequest): Promise<TrialRecord> {
  const { label, plan, pinning, progress, signal } = request;
  const startedAt = new Date().toISOString();
  const replayed = { seed: plan.seed, scenario: request.scenario };
  const { deployment, startUp, artifact, unpinned } = await launch({
    target: targetOfLabel(label),
    flags: { ...request.flags, artifactFolder: artifactFolderOf(label, plan) },
    port: null,
    memory: true,
    options: { cpuSet: pinning.targetCpus, healthCheck: false },
    progress,
    signal,
  });
  try {
    const settled = await settle(deployment, plan.settleMs, signal);
    progress.step(`${label}: ${request.ratePerSecond} requests/s`);
    const latency = await measureLoad({
      url: deployment.url,
      deployment,
      options: benchLoad({
        ...replayed,
        loop: { ratePerSecond: request.ratePerSecond },
        warmupMs: latencyWarmupMs(plan, request.ratePerSecond),
        durationMs: plan.durationMs,
      }),
      generatorCpus: pinning.generatorCpus,
      edges: { 'ready+30s': settled },
      onTick: request.onTick,
      signal,
    });
    progress.step(`${label}: saturation`);
    const saturation = await measureLoad({
      url: deployment.url,
      deployment,
      options: benchLoad({
        ...replayed,
        loop: { connections: plan.saturationConnections },
        warmupMs: plan.warmupMs,
        durationMs: plan.saturationMs,
      }),
      generatorCpus: pinning.generatorCpus,
      onTick: request.onTick,
      signal,
    });
    const storage = await readStorage(deployment);
    const shutdownMs = await measureShutdown(deployment, signal);
    const trial = trialRecordSchema.parse({
      schemaVersion: 1,
      kind: 'trial',
      id: newRecordId(),
      startedAt,
      benchId: request.benchId,
      round: request.round,
      slot: request.slot,
      label,
      quick: plan.quick,
      target: describeTarget(deployment),
      artifact,
      limits: deployment.state.plan.options.limits,
      startUp: { ...startUp, shutdownMs },
      latency: latency.load,
      saturation: saturation.load,
      resources: latency.resources,
      saturationResources: saturation.resources,
      reconciliation: {
        latency: latency.reconciliation,
        saturation: saturation.reconciliation,
      },
      storage,
      pinning: unpinned === null ? pinning : { ...pinning, unpinned },
      voided: null,
      host: request.host,
      warnings: [
        ...deployment.state.plan.warnings,
        ...(unpinned === null ? [] : [unpinned]),
        ...latency.load.warnings,
        ...latency.warnings,
        ...saturation.warnings,
      ],
    });
    const breaches = gateBreaches(trial, plan.gates);
    if (plan.gates.enforced) trial.voided = breaches.length > 0 ? breaches.join('; ') : null;
    // A load that was client-limited has said so itself.
    else trial.warnings.push(...breaches.filter((text) => !text.includes('client-limited')));
    return trial;
  } finally {
    await deployment.destroy();
  }
}

async function settle(
  deployment: Deployment,
  settleMs: number | null,
  signal: AbortSignal,
): Promise<Measured<MeterReading>> {
  if (settleMs === null) return unavailable('a quick bench does not wait 30 s');
  // The memory reading of start-up was taken at + 1 s.
  await sleep(Math.max(0, settleMs - 1000), undefined, { signal }).catch(() => {
    throw signal.reason;
  });
  const meter = await deployment.meter();
  try {
    return await meter.read({ expensive: true });
  } finally {
    await meter.close();
  }
}

async function readStorage(deployment: Deployment): Promise<TrialRecord['storage']> {
  try {
    return { ...(await deployment.storage()) };
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : String(error));
  }
}
