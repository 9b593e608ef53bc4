/**
 * A benchmark of your own: a module whose default export (or whose named exports) are these. Its
 * runs are planned, timed and recorded like HTTP requests: open loop from the intended time, closed
 * loop, outcome, lag, histograms per operation. `load --scenario FILE` and `bench --scenario FILE`
 * take it; `import type { Benchmark } from 'scratchpad/benchmark'` gives the types.
 *
 * The module is imported in each generator thread (`--workers`, default 1). There:
 *
 *   setup  once, before the clock starts; worker 0's alone and first, then the others'
 *   run    many times, up to `--connections` at once; one call is one "request"
 *   teardown  once, always: also after Ctrl-C and after a setup that threw; worker 0's alone and last
 *             (only a run that never gives the thread back keeps it from being called)
 */
export interface Benchmark<State = unknown> {
  /** In the record and in the plan's hash; default: the file's name without its ending. */
  name?: string;
  /**
   * What a run can be, with relative weights (default 1). Which one run i is follows from the seed
   * and i alone, so every target gets the same sequence. Default: one, named "run".
   */
  operations?: Record<string, { weight?: number }>;
  /** What it returns is `context.state` of each run and of the teardown in this thread. */
  setup?(context: SetupContext): State | Promise<State>;
  /**
   * One unit of work. It has succeeded when it returns (or its promise resolves) without `error`. It
   * has failed when it throws: the error's `code`, where it is like SQLITE_BUSY, else RUN_FAILED, is
   * counted in the record's `errors`. After `--timeout` it has failed with RUN_TIMEOUT, and
   * `signal` is aborted.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a run that returns nothing has succeeded
  run(context: RunContext<State>): RunResult | void | Promise<RunResult | void>;
  teardown?(context: TeardownContext<State>): void | Promise<void>;
}

export interface RunResult {
  /** Bytes that came back, for `bytesPerSecond`. */
  bytes?: number;
  /** Failed, by this name: like an error's `code`. */
  error?: string;
}

interface Context {
  /** The deployment's address, with a slash at its end. */
  url: string;
  seed: number;
  /** This thread, from 0, of `workers`. */
  worker: number;
  workers: number;
}

export interface SetupContext extends Context {
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

export interface RunContext<State = unknown> extends Context {
  state: State;
  /** A key of `operations`. */
  operation: string;
  /** Number of this run in the whole plan, warm-up included; unique over all threads. */
  index: number;
  /** Which of the concurrent runs of this thread this is, from 0. */
  user: number;
  /** Uniform in (0, 1), by seed and index: the same on every target. */
  random(): number;
  /** Aborted when the run has taken too long, or when the load is over. */
  signal: AbortSignal;
}

export interface TeardownContext<State = unknown> extends Context {
  /** undefined where setup threw. */
  state: State | undefined;
}
