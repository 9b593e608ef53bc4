/** The loads of a bench: everywhere the same but for what is passed in. Pure. */
import type { LoadOptions, Scenario } from '../load/types.ts';

/** Of an open loop: an upper bound that a target at a third of its capacity never comes near. */
const OPEN_LOOP_CONNECTIONS = 64;

export interface BenchLoad {
  /** Open loop at `ratePerSecond`, or closed with `connections`. */
  loop: { ratePerSecond: number } | { connections: number };
  durationMs: number;
  warmupMs: number;
  seed: number;
  scenario: Scenario;
}

/** Options for `measureLoad`, replayed from the seed. */
export function benchLoad({ loop, ...given }: BenchLoad): Omit<LoadOptions, 'url'> {
  const open = 'ratePerSecond' in loop;
  return {
    loop: open ? 'open' : 'closed',
    ratePerSecond: open ? loop.ratePerSecond : null,
    arrival: 'constant',
    connections: open ? OPEN_LOOP_CONNECTIONS : loop.connections,
    drainMs: 5000,
    timeoutMs: 10_000,
    workers: 1,
    headers: {},
    ...given,
  };
}
