/** Oracles 10 and 11: a generator that is starved says so, and its memory does not grow. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { LoadMeasurement, LoadOptions } from '../../cli/load/types.ts';
import {
  assertBetween,
  assertConsistent,
  DEFAULTS,
  load,
  type OracleServer,
  startOracle,
} from './harness.ts';

/** A load in a process of its own, which can be stopped from outside. */
function startGenerator(t: TestContext, options: Partial<LoadOptions> & { url: string }) {
  const main = fileURLToPath(new URL('./generator-main.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', main, JSON.stringify({ ...DEFAULTS, ...options })],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  const closed = once(child, 'close');
  return {
    child,
    async measurement(): Promise<LoadMeasurement> {
      await closed;
      const measurement = JSON.parse(output) as LoadMeasurement;
      assertConsistent(measurement);
      return measurement;
    },
  };
}

/** 95 ms of each 100 ms stopped: what a CPU quota does, without the rights to set one. */
function starve(child: ChildProcess): NodeJS.Timeout {
  return setInterval(() => {
    child.kill('SIGSTOP');
    setTimeout(() => child.kill('SIGCONT'), 95);
  }, 100);
}

/** Start-up is spared, starved it would take a minute. */
async function underLoad(server: OracleServer): Promise<void> {
  while ((await server.stats()).requests < 20) await sleep(20);
}

test('a generator that gets 5 % of a CPU calls its own result client-limited', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const { url } = server;
  const generator = startGenerator(t, { url, ratePerSecond: 500, durationMs: 3000 });
  await underLoad(server);
  const cycle = starve(generator.child);
  const { counts, limiter, generator: judged } = await generator.measurement();
  clearInterval(cycle);
  assert.equal(judged.clientLimited, true);
  assert.ok(limiter === 'generator' || limiter === 'host', limiter);
  assert.match(judged.reasons.join('; '), /send lag p99/);
  assert.equal(counts.planned, 1500, 'late is not left out');
});

const CLOSED = { loop: 'closed', ratePerSecond: null, connections: 4 } as const;

test('a closed loop that gets 5 % of a CPU calls its own result client-limited', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const generator = startGenerator(t, { ...CLOSED, url: server.url, durationMs: 3000 });
  await underLoad(server);
  const cycle = starve(generator.child);
  const { generator: judged } = await generator.measurement();
  clearInterval(cycle);
  assert.equal(judged.clientLimited, true);
  assert.match(judged.reasons.join('; '), /without a CPU for|stood still/);
});

test('a closed loop that is stopped for 1.5 s calls its own result client-limited', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const generator = startGenerator(t, { ...CLOSED, url: server.url, durationMs: 10_000 });
  await underLoad(server);
  generator.child.kill('SIGSTOP');
  await sleep(1500);
  generator.child.kill('SIGCONT');
  const { generator: judged } = await generator.measurement();
  assert.equal(judged.clientLimited, true);
  assert.match(judged.reasons.join('; '), /the generator stood still for [\d.]+ ms at a stretch/);
  assert.ok(judged.longestStopMs! >= 1400, String(judged.longestStopMs));
});

test('memory does not grow with the number of requests', async (t) => {
  const { url } = await startOracle(t, { kind: 'delay', ms: 0 });
  const rssMb: number[] = [];
  const { counts } = await load(
    { url, loop: 'closed', ratePerSecond: null, connections: 16, durationMs: 8000, warmupMs: 3000 },
    { onTick: ({ atMs }) => atMs >= 0 && rssMb.push(process.memoryUsage().rss / 2 ** 20) },
  );
  // The 10 million of METHOD are in test/bench/load/memory.ts; here a leak of 500 bytes per
  // request would show.
  assert.ok(counts.answered > 20_000, `${counts.answered} requests are too few to tell`);
  const half = Math.floor(rssMb.length / 2);
  const growthMb = Math.max(...rssMb.slice(half)) - Math.max(...rssMb.slice(0, half));
  assertBetween(growthMb, Number.NEGATIVE_INFINITY, 10, 'growth in the second half, MB');
});
