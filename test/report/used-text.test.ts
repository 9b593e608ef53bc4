import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadRecord } from '../../cli/record/schema.ts';
import { usedLines } from '../../cli/report/used-text.ts';
import { readingOf } from '../meters/readings.ts';

const beside = (name: string, pid: number, cpuMs: number) => ({
  name,
  pid,
  cpuMs,
  rssBytes: 80 * 2 ** 20,
});

function resourcesOf(window: object): LoadRecord['resources'] {
  return {
    edges: {
      windowStart: readingOf({
        helpers: [beside('docker-proxy', 7, 10)],
        daemons: [beside('dockerd', 1, 1000), beside('containerd', 2, 500)],
      }),
      windowEnd: readingOf({
        helpers: [beside('docker-proxy', 7, 260)],
        daemons: [beside('dockerd', 1, 1120), beside('containerd', 2, 530)],
      }),
    },
    samples: [],
    window,
  } as unknown as LoadRecord['resources'];
}

test('helpers belong to the target, daemons stand apart, the host has its balance', () => {
  const lines = usedLines(
    resourcesOf({
      workingSetPeakBytes: 100 * 2 ** 20,
      cpuMsPer1000Requests: 12.34,
      hostBusyMs: 4000,
      hostUnattributedMs: 0,
      hostBalanceUncertaintyMs: 70,
      stealShare: 0.001,
    }),
  );
  assert.deepEqual(lines, [
    'used       working set 100 MiB peak, CPU 12.3 ms per 1,000 requests',
    '  helpers  docker-proxy 250 ms, 80.0 MiB: part of it',
    'daemons    dockerd 120 ms, 80.0 MiB; containerd 30.0 ms, 80.0 MiB: shared, charged to no target',
    'host       busy 4,000 ms, charged to no one 0 ms ± 70.0 ms, stolen 0.100 %',
  ]);
});

test('what could not be had is said to be unavailable and is no number', () => {
  const gone = { unavailable: 'the cgroup is gone' };
  const lines = usedLines(
    resourcesOf({
      workingSetPeakBytes: gone,
      cpuMsPer1000Requests: gone,
      hostBusyMs: 10,
      hostUnattributedMs: gone,
    }),
  );
  assert.match(
    lines[0]!,
    /set unavailable \(the cgroup is gone\) peak, CPU unavailable \(the cgroup/,
  );
  assert.match(lines.at(-1)!, /charged to no one unavailable \(the cgroup is gone\),/);
  assert.deepEqual(usedLines(gone), ['used       unavailable: the cgroup is gone']);
  assert.deepEqual(usedLines(undefined), []);
});
