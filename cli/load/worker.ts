/** A load worker: one thread, one engine. See run.ts for the other side. */
import { parentPort, workerData } from 'node:worker_threads';
import { Engine } from './engine.ts';
import type { PlanInput } from './plan.ts';
import type { WindowDelta } from './recorder.ts';
import { rehearse } from './rehearsal.ts';
import { compileOperation, type Endpoint } from './request.ts';
import { kernelThreadId, startThreadUse, type ThreadUse } from './thread.ts';
import type { EngineTotals } from './totals.ts';

export interface WorkerInput {
  plan: PlanInput & { drainMs: number; timeoutMs: number };
  endpoint: Endpoint;
  /** For a benchmark module. */
  url: string;
  basePath: string;
  headers: Record<string, string>;
  worker: number;
  workers: number;
  connections: number;
}

export type ToWorker =
  | { type: 'go'; startUs: number }
  | { type: 'stop' }
  /** Of a benchmark module. */
  | { type: 'setup' }
  | { type: 'teardown' };

export type FromWorker =
  | { type: 'ready'; threadId: number | null }
  | { type: 'delta'; delta: WindowDelta }
  | ({
      type: 'done';
      totals: EngineTotals;
      /** For the record's warnings. */
      notes?: string[];
    } & ThreadUse)
  | { type: 'setup-failed'; error: string }
  | { type: 'torn-down'; error: string | null };

const input = workerData as WorkerInput;
const port = parentPort!;

async function serveRequests(): Promise<void> {
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
    if (message.type !== 'go') return; // of benchmark modules
    // an open loop's stops are in its lag
    const used = startThreadUse({ watchStops: input.plan.loop === 'closed' });
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
        ...used(),
      });
      // without a listener the port keeps the thread no longer (and Deno's has no close())
      port.off('message', onMessage);
    });
  };
  port.on('message', onMessage);

  await rehearse();
  post({ type: 'ready', threadId: kernelThreadId() });
}

if (input.plan.scenario?.module === undefined) await serveRequests();
else (await import('./modules/serve.ts')).serveModule(input, port);
