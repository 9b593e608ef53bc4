/** A load worker as the main thread sees it: its messages as promises. */
import { Worker } from 'node:worker_threads';
import { ScratchpadError } from '../errors.ts';
import type { FromWorker, ToWorker, WorkerInput } from './worker.ts';
import { workerEntry } from './worker-url.ts';

type Message<T extends FromWorker['type']> = Extract<FromWorker, { type: T }>;

export interface RunningWorker {
  worker: Worker;
  send(message: ToWorker): void;
  /** The kernel's id of the thread. Rejects where a module's setup threw, or the thread died. */
  ready: Promise<number | null>;
  done: Promise<Message<'done'>>;
  /** What the teardown of a module threw; null: nothing. */
  tornDown: Promise<string | null>;
  exited: Promise<void>;
  /** True once it ends by itself. */
  isDone(): boolean;
}

export function startWorker(
  input: WorkerInput,
  onDelta: (delta: Message<'delta'>['delta']) => void,
): RunningWorker {
  const { url, execArgv } = workerEntry();
  const worker = new Worker(url, { workerData: input, execArgv });
  const { promise: ready, resolve: isReady, reject: failReady } = withResolvers<number | null>();
  const { promise: done, resolve: onDone, reject: failDone } = withResolvers<Message<'done'>>();
  const {
    promise: tornDown,
    resolve: isTornDown,
    reject: failTeardown,
  } = withResolvers<string | null>();
  const { promise: exited, resolve: onExit } = withResolvers<void>();
  const module = input.plan.scenario?.module;
  let hasFinished = false;
  const fail = (cause: unknown) => {
    const error =
      module === undefined
        ? new ScratchpadError('BUG', 'A load worker died', { cause })
        : new ScratchpadError('BENCHMARK_FAILED', 'The benchmark ended the generator’s thread', {
            cause,
            hint: `Look for process.exit() and for errors that nobody catches in ${module.file}.`,
          });
    failReady(error);
    failDone(error);
    failTeardown(error);
  };
  // whoever waits gets the error; the other promises must not bring the process down
  for (const promise of [ready, done, tornDown]) promise.catch(() => {});
  worker.on('message', (message: FromWorker) => {
    switch (message.type) {
      case 'ready':
        return isReady(message.threadId);
      case 'delta':
        return onDelta(message.delta);
      case 'setup-failed':
        return failReady(
          new ScratchpadError('BENCHMARK_FAILED', 'The setup of the benchmark failed', {
            cause: message.error,
            hint: `Its teardown was called. The module: ${module?.file}`,
          }),
        );
      case 'torn-down':
        return isTornDown(message.error);
      case 'done':
        // a module's worker stays for the teardown, and may leave sockets open
        hasFinished = module === undefined;
        return onDone(message);
    }
  });
  worker.once('error', fail);
  worker.once('exit', (code) => {
    fail(new Error(`exit code ${code}`)); // of no effect after `done`
    onExit();
  });
  const send = (message: ToWorker) => worker.postMessage(message);
  return { worker, send, ready, done, tornDown, exited, isDone: () => hasFinished };
}

/** A worker ends by itself when it is done (so that coverage and profiles are written), or is ended. */
export async function endWorker({ worker, exited, isDone }: RunningWorker): Promise<void> {
  if (isDone()) {
    const patience = setTimeout(() => void worker.terminate(), 2000);
    await exited;
    clearTimeout(patience);
  } else await worker.terminate();
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
