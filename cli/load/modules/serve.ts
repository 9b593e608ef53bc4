/** A benchmark module in its worker: setup, runs, teardown, each when the main thread says so. */
import type { MessagePort } from 'node:worker_threads';
import { kernelThreadId, startThreadUse } from '../thread.ts';
import type { FromWorker, ToWorker, WorkerInput } from '../worker.ts';
import type { Benchmark } from './benchmark.ts';
import { ModuleEngine } from './engine.ts';
import { importBenchmark } from './load-module.ts';

export function serveModule(input: WorkerInput, port: MessagePort): void {
  const { plan, url, worker, workers, connections } = input;
  const { module, operations } = plan.scenario!;
  const context = { url, seed: plan.seed, worker, workers };
  const post = (message: FromWorker) => port.postMessage(message);
  const stopping = new AbortController();
  let benchmark: Benchmark | null = null;
  let state: unknown;
  let engine: ModuleEngine | null = null;

  async function setUp(): Promise<void> {
    try {
      benchmark = await importBenchmark(module!.file);
      state = await benchmark.setup?.({ ...context, signal: stopping.signal });
      post({ type: 'ready', threadId: kernelThreadId() });
    } catch (error) {
      post({ type: 'setup-failed', error: textOf(error) });
    }
  }

  async function go(startUs: number): Promise<void> {
    // a run may well block its thread without a CPU: that is its own affair
    const used = startThreadUse({ watchStops: false });
    engine = new ModuleEngine(
      {
        plan,
        worker,
        workers,
        connections,
        benchmark: benchmark!,
        operations: operations.map(({ name }) => name),
        url,
        state,
        onDelta: (delta) => post({ type: 'delta', delta }),
      },
      startUs,
    );
    engine.start();
    const totals = await engine.done;
    const { overdue, failures } = engine;
    const late = `${overdue} runs took longer than the time-out and may have gone on after it`;
    post({
      type: 'done',
      totals,
      ...used(),
      notes: [...failures.texts(), ...(overdue > 0 ? [late] : [])],
    });
  }

  async function tearDown(): Promise<void> {
    try {
      await benchmark?.teardown?.({ ...context, state });
      post({ type: 'torn-down', error: null });
    } catch (error) {
      post({ type: 'torn-down', error: textOf(error) });
    }
  }

  port.on('message', (message: ToWorker) => {
    if (message.type === 'setup') void setUp();
    else if (message.type === 'go') void go(message.startUs);
    else if (message.type === 'teardown') void tearDown();
    else {
      stopping.abort();
      engine?.interrupt();
    }
  });
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
