import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeterReading } from '../../cli/meters/meter.ts';
import { type WindowInput, windowFigures } from '../../cli/meters/window.ts';
import { WINDOW_FIGURES } from '../../cli/meters/window-figures.ts';
import { type Measured, unavailable } from '../../cli/record/measured.ts';
import { hostReadingOf, readingOf } from './readings.ts';

function inputOf(changes: Partial<WindowInput> = {}): WindowInput {
  return {
    start: readingOf({ atMs: 1000, cpu: { totalMs: 500, userMs: 300, systemMs: 200 } }),
    end: readingOf({ atMs: 11_000, cpu: { totalMs: 5500, userMs: 4300, systemMs: 1200 } }),
    before: unavailable('not read before'),
    settled: unavailable('not settled'),
    samples: [],
    host: null,
    answered: 2000,
    postBytes: null,
    payload: null,
    sampler: { taken: 0, missed: 0, costCpuMs: 0, costCpuShare: 0 },
    ...changes,
  };
}

const reason = (figure: Measured<number>) =>
  typeof figure === 'number' ? assert.fail(`a number: ${figure}`) : figure.unavailable;

test('every key of the catalogue is in the window, and no other', () => {
  assert.deepEqual(
    Object.keys(windowFigures(inputOf())).sort(),
    Object.keys(WINDOW_FIGURES).sort(),
  );
});

test('CPU is the difference of the edges, and per 1,000 answered requests', () => {
  const window = windowFigures(inputOf());
  assert.equal(window.windowMs, 10_000);
  assert.equal(window.cpuMs, 5000);
  assert.equal(window.cpuUserMs, 4000);
  assert.equal(window.cpuSystemMs, 1000);
  assert.equal(window.cpuMsPer1000Requests, 2500);
  assert.equal(window.cpuShare, 0.5);
});

test('nothing answered: no figure per request, instead of a division by zero', () => {
  const window = windowFigures(inputOf({ answered: 0 }));
  assert.equal(reason(window.cpuMsPer1000Requests), 'no request was answered');
});

test('a target that was killed in the window has no CPU figure, but what was seen is told', () => {
  const gone = unavailable('the cgroup is gone');
  const end = readingOf({ atMs: 11_000 });
  end.cpu.totalMs = gone;
  const samples = [
    readingOf({ atMs: 2000, cpu: { totalMs: 900 } }),
    readingOf({ atMs: 4500, cpu: { totalMs: 2000.04 } }),
    readingOf({ atMs: 5500, cpu: { totalMs: gone } }),
  ];
  const window = windowFigures(inputOf({ end, samples }));
  assert.equal(reason(window.cpuMs), 'the cgroup is gone; last seen 3.5 s into the window: 1500');
  assert.match(reason(window.cpuMsPer1000Requests), /the cgroup is gone/);
  assert.match(reason(window.cpuShare), /the cgroup is gone/);
});

test('memory is mean and peak of the samples, unavailable ones left out', () => {
  const samples: MeterReading[] = [100, 300, 200].map((workingSetBytes) =>
    readingOf({ memory: { workingSetBytes } }),
  );
  samples.push(readingOf({ memory: { workingSetBytes: unavailable('gone') } }));
  const window = windowFigures(inputOf({ samples }));
  assert.equal(window.workingSetMeanBytes, 200);
  assert.equal(window.workingSetPeakBytes, 300);
});

test('without a sample there is no memory figure', () => {
  assert.equal(
    reason(windowFigures(inputOf()).workingSetPeakBytes),
    'no sample was taken in the window',
  );
});

test('the overhead of a machine is what the host is charged less what the guest uses', () => {
  const samples = [
    readingOf({ memory: { workingSetBytes: 700, guestUsedBytes: 150 } }),
    readingOf({ memory: { workingSetBytes: 760, guestUsedBytes: 160 } }),
  ];
  const window = windowFigures(inputOf({ samples }));
  assert.equal(window.guestOverheadMeanBytes, 575);
  assert.equal(window.guestUsedPeakBytes, 160);
  const settled = readingOf({ memory: { workingSetBytes: 800, guestUsedBytes: 200 } });
  const after = windowFigures(inputOf({ settled }));
  assert.match(reason(after.guestOverheadMeanBytes), /no sample/);
  assert.equal(after.guestUsedAfterBytes, 200);
  assert.equal(after.guestOverheadAfterBytes, 600);
});

test('written bytes are counted up to the closing sync, CPU is not', () => {
  const settled = readingOf({ atMs: 12_000, cpu: { totalMs: 9999 }, disk: { writtenBytes: 700 } });
  const end = readingOf({ atMs: 11_000, cpu: { totalMs: 5500 }, disk: { writtenBytes: 100 } });
  const window = windowFigures(inputOf({ end, settled, postBytes: 200 }));
  assert.equal(window.diskWrittenBytes, 700);
  assert.equal(window.diskWrittenBytesPerPostByte, 3.5);
  assert.equal(window.cpuMs, 5000);
});

test('amplification needs posts', () => {
  assert.match(reason(windowFigures(inputOf()).diskWrittenBytesPerPostByte), /did not count/);
  assert.match(
    reason(windowFigures(inputOf({ postBytes: 0 })).diskWrittenBytesPerPostByte),
    /posted nothing/,
  );
});

test('the host’s closing balance: busy is attributed and unattributed', () => {
  const host = {
    start: hostReadingOf({
      atMs: 1000,
      cpu: { idleMs: 0, stealMs: 10, cpus: 2 },
      harnessCpuMs: 50,
    }),
    end: hostReadingOf({
      atMs: 11_000,
      cpu: { idleMs: 11_800, stealMs: 210, cpus: 2 },
      harnessCpuMs: 2050,
    }),
    settled: hostReadingOf(),
  };
  const daemon = (cpuMs: number) => [{ name: 'dockerd', pid: 1, cpuMs, rssBytes: 0 }];
  const { start, end } = inputOf() as { start: MeterReading; end: MeterReading };
  const window = windowFigures(
    inputOf({
      host,
      start: { ...start, daemons: daemon(100) },
      end: { ...end, daemons: daemon(400) },
    }),
  );
  assert.equal(window.hostBusyMs, 8000);
  assert.equal(window.harnessCpuMs, 2000);
  assert.equal(window.daemonsCpuMs, 300);
  assert.equal(window.hostAttributedMs, 5000 + 2000 + 300);
  assert.equal(window.hostUnattributedMs, 700);
  // Idle, waiting and stolen, and user and system time of the one daemon: five counters in ticks.
  assert.equal(window.hostBalanceUncertaintyMs, 50);
  assert.equal(window.stealMs, 200);
  assert.equal(window.stealShare, 0.01);
});

test('helpers are part of the CPU and shown apart', () => {
  const helper = (cpuMs: number) => [{ name: 'docker-proxy', pid: 7, cpuMs, rssBytes: 0 }];
  const { start, end } = inputOf() as { start: MeterReading; end: MeterReading };
  const window = windowFigures(
    inputOf({ start: { ...start, helpers: helper(10) }, end: { ...end, helpers: helper(810) } }),
  );
  assert.equal(window.helpersCpuMs, 800);
});

test('the busiest interval is found between samples', () => {
  const samples = [0, 100, 1000, 1200].map((totalMs, index) =>
    readingOf({ atMs: index * 1000, cpu: { totalMs } }),
  );
  assert.equal(windowFigures(inputOf({ samples })).cpuPeakShare, 0.9);
});

test('payload is turned to the target’s side', () => {
  const window = windowFigures(inputOf({ payload: { receivedByTarget: 5, sentByTarget: 9 } }));
  assert.equal(window.networkPayloadReceivedBytes, 5);
  assert.equal(window.networkPayloadSentBytes, 9);
});

test('a counter that fell began anew: no negative figure, and none that is too small', () => {
  const start = readingOf({ atMs: 1000, network: { sentBytes: 9570 } });
  const end = readingOf({ atMs: 11_000, network: { sentBytes: 70 } });
  const { networkSentBytes } = windowFigures(inputOf({ start, end }));
  assert.match(reason(networkSentBytes), /fell from 9570 to 70/);
});

test('wire bytes of the whole load, for a guest that is not asked under it', () => {
  const notAsked = { receivedBytes: unavailable('not asked'), sentBytes: unavailable('not asked') };
  const window = windowFigures(
    inputOf({
      before: readingOf({ network: { receivedBytes: 1000, sentBytes: 2000 } }),
      start: readingOf({ atMs: 1000, network: notAsked }),
      end: readingOf({ atMs: 2000, network: notAsked }),
      settled: readingOf({ network: { receivedBytes: 1700, sentBytes: 9000 } }),
    }),
  );
  assert.equal(reason(window.networkSentBytes), 'not asked');
  assert.equal(window.networkLoadReceivedBytes, 700);
  assert.equal(window.networkLoadSentBytes, 7000);
});

test('a target on another host is not in the balance of this one', () => {
  const host = { start: hostReadingOf(), end: hostReadingOf(), settled: hostReadingOf() };
  const window = windowFigures(inputOf({ host, elsewhere: 'the engine is not on this host' }));
  assert.equal(window.cpuMs, 5000);
  for (const figure of [window.hostAttributedMs, window.hostUnattributedMs])
    assert.equal(reason(figure), 'no balance: the engine is not on this host');
  assert.equal(typeof window.hostBusyMs, 'number');
});
