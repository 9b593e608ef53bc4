import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostMeter } from '../../cli/meters/host.ts';
import type { Meter } from '../../cli/meters/meter.ts';
import { collectResources, recordResources } from '../../cli/meters/resources.ts';
import { resourcesSchema } from '../../cli/record/schema.ts';
import { hostReadingOf, readingOf } from './readings.ts';

/** A meter whose n-th reading shows n · 100 ms of CPU, and what was asked of it in which order. */
function meterWithLog(): { meter: Meter; hostMeter: HostMeter; log: string[] } {
  const log: string[] = [];
  let reads = 0;
  return {
    log,
    meter: {
      async read({ expensive = false } = {}) {
        reads += 1;
        log.push(expensive ? 'read expensive' : 'read');
        return readingOf({
          atMs: reads * 1000,
          cpu: { totalMs: reads * 100 },
          disk: { writtenBytes: reads * 10 },
        });
      },
      async settle() {
        log.push('settle');
        return 5;
      },
      async close() {
        log.push('close');
      },
    },
    hostMeter: {
      read: () => hostReadingOf({ harnessCpuMs: reads }),
      close: () => log.push('host close'),
    },
  };
}

test('a window is read at its edges, sampled between, settled after', async () => {
  const { meter, hostMeter, log } = meterWithLog();
  const recorder = recordResources(meter, { hostMeter });
  await recorder.openWindow();
  await recorder.closeWindow();
  assert.deepEqual(log, ['read', 'read', 'read', 'settle', 'read expensive', 'host close']);
  const { resources, warnings } = recorder.collect({
    answered: 50,
    payload: { received: 7, sent: 3 },
    edges: { 'ready+30s': { unavailable: 'not waited for' } },
  });
  if ('unavailable' in resources) assert.fail(String(resources.unavailable));
  assert.doesNotThrow(() => resourcesSchema.parse(JSON.parse(JSON.stringify(resources))));
  assert.deepEqual(Object.keys(resources.edges), [
    'ready+30s',
    'windowStart',
    'windowEnd',
    'settled',
  ]);
  const { window } = resources;
  assert.ok((window['cpuMs'] as number) > 0);
  assert.equal(window['cpuMsPer1000Requests'], (window['cpuMs'] as number) * 20);
  assert.equal(window['networkPayloadReceivedBytes'], 3);
  assert.equal(resources['settleMs'], 5);
  assert.deepEqual(warnings, []);
});

test('the end of a window disturbs nothing: it settles only when it is closed', async () => {
  const { meter, hostMeter, log } = meterWithLog();
  const recorder = recordResources(meter, { hostMeter });
  await recorder.openWindow();
  await recorder.endWindow();
  assert.ok(!log.includes('settle') && !log.includes('read expensive'));
  await recorder.closeWindow();
  await recorder.closeWindow();
  assert.equal(log.filter((each) => each === 'settle').length, 1);
});

test('a load that ended before its window has no resources, and says why', async () => {
  const { meter, hostMeter, log } = meterWithLog();
  const recorder = recordResources(meter, { hostMeter });
  await recorder.closeWindow();
  assert.deepEqual(recorder.collect({ answered: 0 }).resources, {
    unavailable: 'the load ended before its window opened',
  });
  assert.deepEqual(log, ['host close']);
});

test('a meter that fails makes edges unavailable and nothing throws', async () => {
  const { hostMeter } = meterWithLog();
  const meter: Meter = {
    read: async () => {
      throw new Error('the socket is gone');
    },
    close: async () => {},
  };
  const recorder = recordResources(meter, { hostMeter });
  await recorder.openWindow();
  await recorder.closeWindow();
  const { resources, warnings } = recorder.collect({ answered: 5 });
  if ('unavailable' in resources) assert.fail(String(resources.unavailable));
  assert.deepEqual(resources.edges['windowEnd'], { unavailable: 'the socket is gone' });
  assert.deepEqual(resources.window['cpuMs'], { unavailable: 'the socket is gone' });
  assert.match(warnings.join(), /meter readings failed, the last with: the socket is gone/);
});

test('samples outside of the window count for no figure but stay in the record', () => {
  const at = (atMs: number, workingSetBytes: number) =>
    readingOf({ atMs, memory: { workingSetBytes } });
  const resources = collectResources({
    edges: { windowStart: at(1000, 1), windowEnd: at(3000, 1) },
    hostEdges: {},
    sampled: {
      samples: [at(500, 900), at(1500, 100), at(2500, 200), at(3500, 900)],
      intervalMs: 1000,
      taken: 4,
      late: 0,
      maxLateMs: 0,
      missed: 0,
      failed: 0,
      costCpuMs: 1,
      costCpuShare: 0.0003,
      starved: false,
      warnings: [],
    },
    answered: 1,
  });
  if ('unavailable' in resources) assert.fail(String(resources.unavailable));
  assert.equal(resources.window['workingSetPeakBytes'], 200);
  assert.equal(resources.samples.length, 4);
  assert.deepEqual(resources.window['hostBusyMs'], { unavailable: 'the host was not read' });
});
