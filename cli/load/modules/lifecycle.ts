/**
 * The life of a benchmark module in its workers, as the main thread leads it: worker 0 is set up
 * alone and first and torn down alone and last; whatever was begun is torn down, always; what hangs is
 * given up.
 */
import { ScratchpadError } from '../../errors.ts';
import type { RunningWorker } from '../worker-thread.ts';

/** After Ctrl-C a setup or a run has this long to end. */
const ABORT_GRACE_MS = 10_000;
/** Beyond the plan: the runs' settling, and a busy host. */
const RUN_GRACE_MS = 15_000;
const TEARDOWN_MAX_MS = 30_000;
/** Of a thread that did not answer before. */
const HUNG_TEARDOWN_MAX_MS = 2000;

type Done = Awaited<RunningWorker['done']>;

export interface ModuleLifecycle {
  /** Resolves to the threads' ids. @throws BENCHMARK_FAILED, INTERRUPTED */
  setUp(): Promise<Array<number | null>>;
  /** The workers' results. @throws BENCHMARK_FAILED where they do not come in time */
  run(longestMs: number): Promise<Done[]>;
  /** What teardowns threw; null: nothing. Idempotent, never throws. */
  tearDown(): Promise<string | null>;
}

export function moduleLifecycle(
  workers: readonly RunningWorker[],
  file: string,
  signal: AbortSignal,
): ModuleLifecycle {
  const begun: RunningWorker[] = [];
  let tearingDown: Promise<string | null> | null = null;
  let isHung = false;

  async function setUpOne(worker: RunningWorker): Promise<number | null> {
    begun.push(worker);
    worker.send({ type: 'setup' });
    const stop = () => worker.send({ type: 'stop' });
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await orAborted(worker.ready, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async function tearDownAll(): Promise<string | null> {
    const [first, ...others] = begun;
    const maxMs = isHung ? HUNG_TEARDOWN_MAX_MS : TEARDOWN_MAX_MS;
    const errors = await Promise.all(others.map((worker) => tearDownOne(worker, maxMs)));
    if (first) errors.push(await tearDownOne(first, maxMs));
    const real = errors.filter((error) => error !== null);
    return real.length === 0 ? null : real.join('; ');
  }

  return {
    async setUp() {
      const [first, ...others] = workers;
      const id = await setUpOne(first!);
      // all of them, also where one fails: none may be in its setup when it is torn down
      const results = await Promise.allSettled(others.map(setUpOne));
      return [id, ...results.map((result) => settledValue(result))];
    },
    async run(longestMs) {
      const hung = new ScratchpadError('BENCHMARK_FAILED', 'A run blocks the generator’s thread', {
        hint: `It must give way to the event loop, in ${file}; its teardown could not be called.`,
      });
      const all = Promise.all(workers.map(({ done }) => done));
      try {
        return await within(orAborted(all, signal), longestMs + RUN_GRACE_MS, hung);
      } catch (error) {
        isHung = true;
        throw error;
      }
    },
    tearDown() {
      tearingDown ??= tearDownAll();
      return tearingDown;
    },
  };
}

async function tearDownOne(worker: RunningWorker, maxMs: number): Promise<string | null> {
  worker.send({ type: 'teardown' });
  const late = new Error(`it did not end within ${maxMs / 1000} s`);
  try {
    return await within(worker.tornDown, maxMs, late);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The promise; or, some time after the signal has fired, its reason. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), ABORT_GRACE_MS);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

async function within<T>(promise: Promise<T>, ms: number, error: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error), ms);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

function settledValue<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
