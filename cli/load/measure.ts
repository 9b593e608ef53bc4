/**
 * One load with everything around it: generator and target on different CPUs, a meter sample a
 * second on the load's clock, exact readings at the edges, and the server's own count of handled
 * requests against ours.
 */
import { pinSelf } from '../host/pinning.ts';
import type { Meter, MeterReading } from '../meters/meter.ts';
import { recordResources } from '../meters/resources.ts';
import { readWorkloadStatus } from '../probe/control.ts';
import {
  isUnavailable,
  type Measured,
  measuredValue,
  type Unavailable,
  unavailable,
} from '../record/measured.ts';
import type { LoadRecord, Resources } from '../record/schema.ts';
import type { Deployment } from '../targets/target.ts';
import { runLoad } from './run.ts';
import { answeredInWindow } from './totals.ts';
import type { LoadMeasurement, LoadOptions, LoadTick } from './types.ts';

export interface MeasureRequest {
  url: string;
  /** null: a foreign server; nothing but the load is measured. */
  deployment: Deployment | null;
  options: Omit<LoadOptions, 'url'>;
  generatorCpus: number[] | null;
  /** Readings that were taken before, e.g. at ready + 30 s. */
  edges?: Record<string, Measured<MeterReading>>;
  onTick?: ((tick: LoadTick) => void) | undefined;
  signal: AbortSignal;
}

export interface MeasuredLoad {
  load: LoadMeasurement;
  resources: NonNullable<LoadRecord['resources']>;
  reconciliation: NonNullable<LoadRecord['reconciliation']>;
  warnings: string[];
}

/** An interrupted load returns what it has, marked; a target that died is in its errors. */
export async function measureLoad(request: MeasureRequest): Promise<MeasuredLoad> {
  const { deployment, onTick, signal } = request;
  const options = { ...request.options, url: request.url };
  const handledBefore = await handledCount(request);
  const restartsBefore = await deployment?.restarts?.();
  const pinned = await pinGenerator(request.generatorCpus);
  const meter = await openMeterOf(deployment);
  const recorder = isUnavailable(meter) ? null : recordResources(meter);
  try {
    await recorder?.readBefore();
    const load = await runLoad(options, {
      signal,
      onTick,
      generatorCpu: request.generatorCpus,
      onEdge: (edge) => (edge === 'measure-start' ? recorder?.openWindow() : recorder?.endWindow()),
    });
    await recorder?.closeWindow();
    const collected = recorder?.collect({
      answered: answeredInWindow(load.counts),
      payload: load.bytes,
      postBytes: load.bytes.posts,
      edges: request.edges,
    });
    return {
      load: { ...load, limiter: limiterOf(load, collected?.resources, deployment) },
      resources: collected?.resources ?? (meter as Unavailable),
      reconciliation: await reconcile(request, handledBefore, load),
      warnings: [
        ...pinned.warnings,
        ...(collected?.warnings ?? []),
        ...restartWarnings(restartsBefore, await deployment?.restarts?.()),
      ],
    };
  } finally {
    await recorder?.closeWindow();
    await pinned.unpin();
    if (!isUnavailable(meter)) await meter.close();
  }
}

/** A guest's init starts a workload that has crashed again: its failed requests alone do not say so. */
function restartWarnings(before: number | null = null, after: number | null = null): string[] {
  if (before === null || after === null || after <= before) return [];
  return [
    `the workload ended under load and was started again inside of its target: ${after - before}×`,
  ];
}

/** Of its ceiling; what is left is what a second's edges and the helpers take. */
const FULL_TARGET = 0.9;

/**
 * The generator cannot tell a full target from a cap of connections: where all have to wait, all answers
 * take equally long. What the target used of its CPUs tells.
 */
function limiterOf(
  { limiter }: LoadMeasurement,
  resources: MeasuredLoad['resources'] | undefined,
  deployment: Deployment | null,
): LoadMeasurement['limiter'] {
  if (limiter !== 'connection-cap' || resources === undefined || deployment === null)
    return limiter;
  if (isUnavailable(resources)) return limiter;
  const { window } = resources as Resources;
  const share = measuredValue(window['cpuShare'] ?? unavailable('not read')) ?? 0;
  return share >= FULL_TARGET * deployment.state.plan.options.limits.cpus ? 'target' : limiter;
}

/** Generator and meters on their own CPU while the load runs; what it cannot do it says. */
async function pinGenerator(
  cpus: number[] | null,
): Promise<{ warnings: string[]; unpin: () => Promise<void> }> {
  if (cpus === null) return { warnings: [], unpin: async () => {} };
  try {
    return { warnings: [], ...(await pinSelf(cpus)) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { warnings: [`the generator is not pinned: ${why}`], unpin: async () => {} };
  }
}

async function openMeterOf(deployment: Deployment | null): Promise<Measured<Meter>> {
  if (deployment === null) return unavailable('a server that scratchpad did not deploy');
  try {
    return await deployment.meter();
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : String(error));
  }
}

async function handledCount({ deployment, url }: MeasureRequest): Promise<number | null> {
  // A foreign server may well have a /readyz; only our deployment's counter is trusted.
  if (deployment === null) return null;
  const status = await readWorkloadStatus(url);
  return status?.nonce === deployment.state.nonce ? status.handled : null;
}

async function reconcile(
  request: MeasureRequest,
  before: number | null,
  { counts }: LoadMeasurement,
): Promise<MeasuredLoad['reconciliation']> {
  if (request.options.scenario?.module !== undefined) {
    return unavailable('a benchmark module’s own requests are not counted here');
  }
  if (request.deployment === null) return unavailable('the server is not a deployment of ours');
  if (before === null) return unavailable('the workload did not tell its count before the load');
  const after = await handledCount(request);
  if (after === null) return unavailable('the workload did not tell its count after the load');
  const serverHandled = after - before;
  return {
    sentOnWire: counts.sentOnWire,
    serverHandled,
    difference: serverHandled - counts.sentOnWire,
  };
}
