/** A load worker: one thread, one engine. See run.ts for the other side. */
import { readFileSync, readlinkSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { Engine } from './engine.ts';
import type { PlanInput } from './plan.ts';
import type { WindowDelta } from './recorder.ts';
import { rehearse } from './rehearsal.ts';
import { compileOperation, type Endpoint } from './request.ts';
import type { EngineTotals } from './totals.ts';

export interface WorkerInput {
  plan: PlanInput & { drainMs: number; timeoutMs: number };
  endpoint: Endpoint;
  basePath: string;
  headers: Record<string, string>;
  worker: number;
  workers: number;
  connections: number;
}

export type ToWorker = { type: 'go'; startUs: number } | { type: 'stop' };

export type FromWorker =
  | { type: 'ready'; threadId: number | null }
  | { type: 'delta'; delta: WindowDelta }
  | { type: 'done'; totals: EngineTotals; cpuMs: number; utilization: number };

/** CPU time of this thread alone in ms; NaN where the platform does not tell. */
function threadCpuMs(): number {
  const read = (process as { threadCpuUsage?: () => { user: number; system: number } })
    .threadCpuUsage;
  if (read) {
    const { user, system } = read.call(process);
    return (user + system) / 1000;
  }
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** The kernel's id of this thread, for pinning; null where /proc does not tell. */
function kernelThreadId(): number | null {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').pop());
  } catch {
    return null;
  }
}

const input = workerData as WorkerInput;
const port = parentPort!;
const post = (message: FromWorker) => port.postMessage(message);
const scenario = input.plan.scenario!;
const operations = scenario.operations.map((operation) =>
  compileOperation(operation, input.endpoint, input.basePath, input.headers),
);
const indexOf = (name: string) => operations.findIndex((operation) => operation.name === name);
const verify = scenario.verify && {
  live: indexOf(scenario.verify.live),
  gone: scenario.verify.gone === undefined ? null : indexOf(scenario.verify.gone),
};

let engine: Engine | null = null;

const onMessage = (message: ToWorker): void => {
  if (message.type === 'stop') {
    engine?.interrupt();
    return;
  }
  const cpuAtStart = threadCpuMs();
  const utilizationAtStart = performance.eventLoopUtilization();
  engine = new Engine(
    {
      plan: input.plan,
      endpoint: input.endpoint,
      operations,
      verify: verify ?? null,
      worker: input.worker,
      workers: input.workers,
      connections: input.connections,
      onDelta: (delta) => post({ type: 'delta', delta }),
    },
    message.startUs,
  );
  engine.start();
  void engine.done.then((totals) => {
    post({
      type: 'done',
      totals,
      cpuMs: threadCpuMs() - cpuAtStart,
      utilization: performance.eventLoopUtilization(utilizationAtStart).utilization,
    });
    // without a listener the port keeps the thread no longer (and Deno's has no close())
    port.off('message', onMessage);
  });
};
port.on('message', onMessage);

await rehearse();
post({ type: 'ready', threadId: kernelThreadId() });
