import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLiveView, sparkline } from '../../cli/load/live.ts';
import type { LoadTick } from '../../cli/load/types.ts';

const OPTIONS = { warmupMs: 2000, durationMs: 20_000 };

function ticks(from: number, to: number, failed = 0): LoadTick[] {
  return Array.from({ length: to - from }, (_, i) => ({
    atMs: (from + i) * 1000,
    elapsedMs: (from + i + 3) * 1000,
    phase: from + i < 0 ? 'warmup' : from + i < 20 ? 'measure' : 'drain',
    plannedPerSecond: 500,
    answered: 498,
    failed,
    p50Us: 1234,
    p99Us: 20_400,
  }));
}

function shown(tty: boolean, all: LoadTick[]): { live: string[]; lines: string[] } {
  const live: string[] = [];
  const lines: string[] = [];
  const view = createLiveView(
    { tty, live: (text) => live.push(text), line: (text) => lines.push(text) },
    OPTIONS,
  );
  for (const tick of all) view.tick(tick);
  return { live, lines };
}

test('on a TTY each second redraws time, asked and achieved rate, p50, p99, failures', () => {
  const { live, lines } = shown(true, ticks(-2, 1, 2));
  assert.deepEqual(lines, []);
  assert.deepEqual(live, [
    ' 1/22 s (warm-up)  500 asked, 498 answered/s  p50 1.23 ms p99 20.4 ms  2 failed  ▁',
    ' 2/22 s (warm-up)  500 asked, 498 answered/s  p50 1.23 ms p99 20.4 ms  4 failed  ▁▁',
    ' 3/22 s  500 asked, 498 answered/s  p50 1.23 ms p99 20.4 ms  6 failed  ▁▁▁',
  ]);
});

test('off a TTY there is a line every 10 s and one at the end, without a redrawn one', () => {
  const { live, lines } = shown(false, ticks(-2, 21));
  assert.deepEqual(live, []);
  assert.deepEqual(
    lines.map((line) => line.slice(0, 7)),
    ['10/22 s', '20/22 s', '22/22 s'],
  );
  assert.match(lines[0]!, /498 answered\/s/);
});

test('a warm-up that is not whole seconds does not silence it', () => {
  const lines: string[] = [];
  const view = createLiveView(
    { tty: false, live: () => {}, line: (text) => lines.push(text) },
    { warmupMs: 500, durationMs: 20_500 },
  );
  for (const tick of ticks(0, 20)) view.tick(tick);
  assert.deepEqual(
    lines.map((line) => line.slice(0, 7)),
    ['11/21 s', '21/21 s'],
  );
});

test('a second without answers has no percentiles', () => {
  const [tick] = ticks(0, 1);
  const { live } = shown(true, [{ ...tick!, answered: 0, p50Us: null, p99Us: null }]);
  assert.match(live[0]!, /0 answered\/s {2}p50 – p99 –/);
});

test('the sparkline is logarithmic, flat where nothing changes, blank where nothing came', () => {
  assert.equal(sparkline([1000, 1050, 1000]), '▁▁▁');
  assert.equal(sparkline([1000, null, 1_000_000]), '▁ █');
  assert.equal(sparkline([1000, 31_623, 1_000_000]), '▁▅█');
  assert.equal(sparkline([]), '');
});
