import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Meter, MeterReading } from '../../cli/meters/meter.ts';
import { redrawer, renderWatch, watchDeployments, watchRow } from '../../cli/meters/watch.ts';
import { unavailable } from '../../cli/record/measured.ts';
import { readingOf } from './readings.ts';

const TARGET = { name: 'docker', url: 'http://127.0.0.1:5001/' };
const gone = unavailable('all of its processes have ended');

const before = readingOf({ atMs: 1000, cpu: { totalMs: 100 }, disk: { writtenBytes: 0 } });
const now = readingOf({
  atMs: 3000,
  cpu: { totalMs: 1100, throttledMs: 100 },
  memory: { workingSetBytes: 64 * 2 ** 20 },
  disk: { writtenBytes: 4096 },
  network: { receivedBytes: gone, sentBytes: gone },
});

test('rates are over the time between the readings', () => {
  const row = watchRow(TARGET, before, now);
  assert.equal(row.cpuShare, 0.5);
  assert.equal(row.throttledShare, 0.05);
  assert.equal(row.diskWrittenBytesPerSecond, 2048);
  assert.equal(row.networkSentBytesPerSecond, gone);
});

test('the table is aligned, scaled, and shows what is unavailable as a dash', () => {
  const bare = { name: 'bare', url: 'http://127.0.0.1:5002/' };
  const other = readingOf({
    ...now,
    network: { receivedBytes: 200, sentBytes: 3 * 2 ** 20 },
  });
  const table = renderWatch([watchRow(TARGET, before, other), watchRow(bare, before, now)]);
  assert.equal(
    table,
    [
      'target     CPU  throttled    memory  disk r/s  disk w/s  net in/s  net out/s  url',
      'docker  50.0 %      5.0 %  64.0 MiB       0 B   2.0 KiB     100 B    1.5 MiB  http://127.0.0.1:5001/',
      'bare    50.0 %      5.0 %  64.0 MiB       0 B   2.0 KiB         –          –  http://127.0.0.1:5002/',
    ].join('\n'),
  );
});

test('a column that no deployment has a figure for is left out', () => {
  const table = renderWatch([watchRow(TARGET, before, now)]);
  assert.doesNotMatch(table, /net|in guest/);
  assert.match(table, /disk/);
});

test('a deployment that has ended is shown with the reason', () => {
  const dead = readingOf({
    atMs: 3000,
    cpu: { totalMs: gone },
    memory: { workingSetBytes: gone },
  });
  assert.match(
    renderWatch([watchRow(TARGET, before, dead)]),
    /\ndocker: all of its processes have ended$/,
  );
});

test('watching shows rows until it is told to stop', async () => {
  const readings: MeterReading[] = [before, now, now];
  const meter: Meter = {
    read: async () => readings.shift() ?? now,
    close: async () => {},
  };
  const stop = new AbortController();
  const shown: number[] = [];
  await watchDeployments({
    watched: [{ ...TARGET, meter }],
    signal: stop.signal,
    intervalMs: 1,
    show([row]) {
      shown.push(row!.cpuShare as number);
      stop.abort();
    },
  });
  assert.deepEqual(shown, [0.5]);
});

test('a meter that fails is shown with its reason and ends nothing', async () => {
  let reads = 0;
  const meter: Meter = {
    read: async () => {
      reads += 1;
      if (reads > 1) throw new Error('the socket is gone');
      return before;
    },
    close: async () => {},
  };
  const stop = new AbortController();
  const shown: string[] = [];
  await watchDeployments({
    watched: [{ ...TARGET, meter }],
    signal: stop.signal,
    intervalMs: 1,
    show(rows) {
      shown.push(renderWatch(rows));
      if (shown.length === 2) stop.abort();
    },
  });
  assert.equal(shown.length, 2, 'it goes on');
  for (const text of shown) assert.match(text, /\ndocker: the socket is gone$/);
});

test('a redraw goes up over what was drawn and leaves nothing of it', () => {
  let written = '';
  const draw = redrawer((text) => {
    written += text;
  });
  draw('one\ntwo');
  written = '';
  draw('three');
  assert.equal(written, '\u001b[2A\u001b[2Kthree\n\u001b[0J');
});

test('a line that is wider than the terminal is cut, as it would wrap and spoil the redraw', () => {
  let written = '';
  const draw = redrawer(
    (text) => {
      written += text;
    },
    () => 4,
  );
  draw('123456\nab');
  assert.equal(written, '\u001b[2K1234\n\u001b[2Kab\n\u001b[0J');
});
