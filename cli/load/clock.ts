/**
 * The one clock of the load engine: CLOCK_MONOTONIC in microseconds, the same in all threads and
 * processes of a host. `process.hrtime()` and not `performance.now()`, whose origin differs per
 * worker, nor `hrtime.bigint()`, which allocates. About 35 ns a read, with
 * `hrtime` taken out of the global, which is a getter.
 *
 * Deno's `hrtime` begins at zero in each worker, so there each thread adds its own origin, which is a
 * wall-clock time: exact to the microsecond, unless the clock is set between two workers' starts.
 */
const { hrtime } = process;

const originUs = process.versions['deno'] === undefined ? 0 : performance.timeOrigin * 1e3;

export function nowUs(): number {
  const time = hrtime();
  return originUs + time[0] * 1e6 + time[1] / 1e3;
}
