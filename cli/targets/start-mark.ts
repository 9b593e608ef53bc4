/** t0: the instant before the start call, on the monotonic clock and on the wall clock. */
export interface StartMark {
  /** process.hrtime.bigint() */
  ns: bigint;
  /** Ms since 1970, for events that others stamp with the wall clock: known to about 10 µs. */
  wallMs: number;
}

/**
 * `Date.now()` moves in steps of 1 ms, so this waits (at most 1 ms) for the next step: at that
 * moment both clocks are known exactly.
 */
export function markStart(): StartMark {
  const before = Date.now();
  let wallMs = Date.now();
  while (wallMs === before) wallMs = Date.now();
  return { ns: process.hrtime.bigint(), wallMs };
}
