/** Starting the oracles' servers, and the options that a load against them usually has. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { runLoad } from '../../cli/load/run.ts';
import type { LoadMeasurement, LoadOptions, LoadTick } from '../../cli/load/types.ts';
import { loadOnDeno } from './deno-load.ts';

/** What an oracle does with a request. Times in ms. */
export type Behaviour =
  /** Answers after exactly `ms`. */
  | { kind: 'delay'; ms: number }
  /** Answers the n-th request after `ms[n mod length]`, and keeps how long it truly took. */
  | { kind: 'delays'; ms: number[] }
  /** Answers one request at a time, `ms` each: its capacity is 1000/ms per second. */
  | { kind: 'serial'; ms: number }
  /** Answers at once, but holds all answers for `ms`, beginning `afterMs` after the first request. */
  | { kind: 'stall'; afterMs: number; ms: number }
  /** Never answers every n-th request. */
  | { kind: 'hang'; every: number }
  | { kind: 'status'; every: number; status: number }
  /** Answers with `Connection: close` and closes. */
  | { kind: 'close' }
  /** Closes a connection that was idle for `ms`, without having said so. */
  | { kind: 'idle-close'; ms: number }
  /** Writes these pieces, whatever they are. */
  | { kind: 'raw'; pieces: string[]; after: 'keep' | 'end' | 'reset' }
  /** The first half of an answer at once, the rest after `ms`: a stall in mid-body. */
  | { kind: 'halves'; first: string; ms: number; rest: string; after: 'keep' | 'end' }
  /** Header after header, up to 120 kB, and no end. */
  | { kind: 'endless-head' }
  /** Sends every byte in a write of its own. */
  | { kind: 'bytewise'; response: string };

export interface ServerStats {
  requests: number;
  connections: number;
  arrivalsPer100Ms: number[];
  /** Of `delays`: from a request's last byte to its answer's write, by the server's own clock. */
  truthUs: number[];
}

export type ToServer = { type: 'stats' } | { type: 'down' } | { type: 'up' };

export interface OracleServer {
  url: string;
  port: number;
  process: ChildProcess;
  stats(): Promise<ServerStats>;
  /** Refuse connections and reset those that are there, as a killed process does. */
  down(): Promise<void>;
  up(): Promise<void>;
}

/** Start an oracle in a process of its own; the test's end stops it. */
export async function startOracle(t: TestContext, behaviour: Behaviour): Promise<OracleServer> {
  const child = fork(new URL('./server-main.ts', import.meta.url), [JSON.stringify(behaviour)], {
    execArgv: ['--import', 'tsx'],
  });
  t.after(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await exited;
  });
  const answer = async <T>(type: string): Promise<T> => {
    for (;;) {
      const [message] = (await once(child, 'message')) as [{ type: string } & T];
      if (message.type === type) return message;
    }
  };
  const ask = <T>(message: ToServer, type: string): Promise<T> => {
    const answered = answer<T>(type);
    child.send(message);
    return answered;
  };
  const { port } = await answer<{ port: number }>('listening');
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    process: child,
    stats: async () => (await ask<{ stats: ServerStats }>({ type: 'stats' }, 'stats')).stats,
    down: async () => void (await ask({ type: 'down' }, 'down')),
    up: async () => void (await ask({ type: 'up' }, 'listening')),
  };
}

export const DEFAULTS: Omit<LoadOptions, 'url'> = {
  loop: 'open',
  ratePerSecond: 100,
  arrival: 'constant',
  connections: 64,
  durationMs: 2000,
  warmupMs: 0,
  drainMs: 5000,
  timeoutMs: 10_000,
  seed: 1,
  workers: 1,
  scenario: null,
  headers: {},
};

/** Run a load and check what holds for every measurement. */
export async function load(
  options: Partial<LoadOptions> & { url: string },
  hooks: { signal?: AbortSignal; onTick?: (tick: LoadTick) => void } = {},
): Promise<LoadMeasurement> {
  const { signal = new AbortController().signal, onTick } = hooks;
  const run = process.env['SCRATCHPAD_ORACLES_ON'] === 'deno' ? loadOnDeno : runLoad;
  const measurement = await run(
    { ...DEFAULTS, ...options },
    { signal, ...(onTick ? { onTick } : {}) },
  );
  assertConsistent(measurement);
  return measurement;
}

/** The invariants of METHOD 1: everything planned is accounted for, exactly once, everywhere. */
export function assertConsistent(measurement: LoadMeasurement): void {
  const { counts, latencyUs, windows, errors, operations, connectionsUs } = measurement;
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  assert.equal(counts.planned, counts.sent + counts.unsent, 'planned = sent + unsent');
  assert.equal(counts.sent, counts.answered + counts.failed + counts.open, 'sent = …');
  assert.equal(sum(windows.map(({ answered }) => answered)), counts.answered, 'windows: answered');
  assert.equal(sum(windows.map(({ failed }) => failed)), counts.failed, 'windows: failed');
  assert.equal(sum(Object.values(errors)), counts.failed, 'errors sum to failed');
  assert.equal(latencyUs.response.count, counts.planned, 'each request is in response once');
  assert.equal(latencyUs.response.censored, counts.unsent + counts.open, 'censored');
  assert.equal(latencyUs.lag.count, counts.planned, 'each request has a lag');
  assert.equal(latencyUs.answered?.count, counts.answered, 'answered histogram');
  assert.equal(
    connectionsUs.fresh.count + connectionsUs.reused.count,
    counts.sent,
    'fresh and reused are all that was sent',
  );
  const byOperation = Object.values(operations);
  assert.equal(sum(byOperation.map(({ answered }) => answered)), counts.answered);
  assert.equal(sum(byOperation.map(({ failed }) => failed)), counts.failed);
}

export function assertBetween(actual: number, low: number, high: number, what: string): void {
  assert.ok(actual >= low && actual <= high, `${what}: ${actual} is not in ${low} … ${high}`);
}

/** A port on which nothing listens: taken from the system, and given back. */
export async function unusedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
