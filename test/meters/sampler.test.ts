import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowMs } from '../../cli/meters/clock.ts';
import type { Meter } from '../../cli/meters/meter.ts';
import { startSampler } from '../../cli/meters/sampler.ts';
import { readingOf } from './readings.ts';

/** A meter whose n-th read is `body(n)`; `reached(n)` resolves when n reads have been made. */
function meterOf(body: (n: number) => Promise<void> | void = () => {}): {
  meter: Meter;
  reached: (n: number) => Promise<void>;
} {
  let reads = 0;
  const waiting = new Map<number, () => void>();
  return {
    meter: {
      async read() {
        reads += 1;
        waiting.get(reads)?.();
        await body(reads);
        return readingOf({ atMs: nowMs(), cost: { cpuMs: 0.5, wallMs: 0.5 } });
      },
      async close() {},
    },
    reached: (n) =>
      new Promise((resolve, reject) => {
        if (reads >= n) return resolve();
        // The sampler's own timer does not keep the process alive; this one does.
        const limit = setTimeout(() => reject(new Error(`read ${n} never came`)), 5_000);
        waiting.set(n, () => {
          clearTimeout(limit);
          resolve();
        });
      }),
  };
}

/** Keeps this thread busy, so that no timer gets its turn. */
function starve(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('the first sample is taken at once and the others on the grid', async () => {
  const { meter, reached } = meterOf();
  const startMs = nowMs();
  const sampler = startSampler(meter, { intervalMs: 20 });
  await reached(4);
  const report = await sampler.stop();
  assert.equal(report.taken, report.samples.length);
  assert.ok(report.taken >= 4);
  for (const [index, sample] of report.samples.entries()) {
    const offsetMs = sample.atMs - startMs;
    assert.ok(offsetMs >= index * 20 - 1, `sample ${index} at ${offsetMs} ms is before its time`);
  }
});

test('a starved sampler counts what it missed, says so, and keeps to its grid', async () => {
  const { meter, reached } = meterOf((n) => (n === 2 ? starve(210) : undefined));
  const sampler = startSampler(meter, { intervalMs: 20 });
  await reached(4);
  const report = await sampler.stop();
  assert.ok(report.missed >= 9, `${report.missed} missed`);
  assert.equal(report.starved, true);
  assert.match(report.warnings.join(), /the sampler was starved: \d+ of \d+ readings missed/);
});

test('starved until the very end it is counted too: a timer without a turn leaves no trace', async () => {
  const { meter, reached } = meterOf();
  const sampler = startSampler(meter, { intervalMs: 20 });
  await reached(1);
  await new Promise((resolve) => setImmediate(resolve));
  starve(205);
  const report = await sampler.stop();
  assert.ok(report.missed >= 9, `${report.missed} missed`);
  assert.equal(report.starved, true);
});

test('a reading that fails is counted and told, and the next one is taken', async () => {
  const { meter, reached } = meterOf((n) => {
    if (n === 2) throw new Error('the file is gone');
  });
  const sampler = startSampler(meter, { intervalMs: 10 });
  await reached(3);
  const report = await sampler.stop();
  assert.equal(report.failed, 1);
  assert.match(report.warnings.join(), /1 meter readings failed, the last with: the file is gone/);
  assert.ok(report.taken >= 2);
});

test('many samples are thinned out over the whole time instead of cut off', async () => {
  const { meter, reached } = meterOf();
  const sampler = startSampler(meter, { intervalMs: 4, maxSamples: 8 });
  await reached(20);
  const report = await sampler.stop();
  assert.ok(report.samples.length < 8);
  assert.ok(report.intervalMs >= 8);
  const [first, last] = [report.samples[0]!, report.samples.at(-1)!];
  assert.ok(last.atMs - first.atMs > 20, 'the first and the last are both kept');
});

test('stop waits for the reading under way and can be called twice', async () => {
  let finish = () => {};
  const { meter, reached } = meterOf(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  );
  const sampler = startSampler(meter, { intervalMs: 1000 });
  await reached(1);
  const first = sampler.stop();
  finish();
  assert.equal((await first).taken, 1);
  assert.equal(await sampler.stop(), await first);
});

test('the meter’s own cost is summed, and above 1 % of a CPU it is warned of', async () => {
  const { meter, reached } = meterOf();
  const sampler = startSampler(meter, { intervalMs: 10 });
  await reached(5);
  const report = await sampler.stop();
  assert.equal(report.costCpuMs, report.taken * 0.5);
  // 0.5 ms every 10 ms is 5 %.
  assert.match(report.warnings.join(), /the meter itself took \d+\.\d % of a CPU/);
});

test('a slow source is asked no more often than it answers', async () => {
  const { meter, reached } = meterOf();
  const sampler = startSampler({ ...meter, minIntervalMs: 30 }, { intervalMs: 10 });
  await reached(2);
  assert.equal((await sampler.stop()).intervalMs, 30);
});
