/** Oracles 10 and 11: a generator that is starved says so, and its memory does not grow. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { LoadMeasurement } from '../../cli/load/types.ts';
import { assertBetween, assertConsistent, DEFAULTS, load, startOracle } from './harness.ts';

test('a generator that gets 5 % of a CPU calls its own result client-limited', async (t) => {
  const { url } = await startOracle(t, { kind: 'delay', ms: 1 });
  const options = JSON.stringify({ ...DEFAULTS, url, ratePerSecond: 500, durationMs: 3000 });
  const main = fileURLToPath(new URL('./generator-main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', main, options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  // 95 ms of each 100 ms stopped: what a CPU quota does, without the rights to set one. Start-up
  // is spared, it would take a minute.
  let cycle: NodeJS.Timeout | undefined;
  const starve = setTimeout(() => {
    cycle = setInterval(() => {
      child.kill('SIGSTOP');
      setTimeout(() => child.kill('SIGCONT'), 95);
    }, 100);
  }, 1500);
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'close');
  clearTimeout(starve);
  clearInterval(cycle);
  const measurement = JSON.parse(output) as LoadMeasurement;
  assertConsistent(measurement);
  assert.equal(measurement.generator.clientLimited, true);
  assert.equal(measurement.limiter, 'generator');
  assert.match(measurement.generator.reasons.join('; '), /send lag p99/);
  assert.equal(measurement.counts.planned, 1500, 'late is not left out');
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
