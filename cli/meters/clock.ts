/** Monotonic milliseconds since the epoch: the clock of meter readings and of load windows. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
