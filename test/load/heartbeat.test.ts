import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEAT_MS, Heartbeat } from '../../cli/load/heartbeat.ts';

/** A heart whose time and CPU time pass as they are told. */
function heart(knowsCpu = true) {
  let now = 5e9;
  let cpu = 1e6;
  const heartbeat = new Heartbeat(
    () => now,
    () => (knowsCpu ? cpu : Number.NaN),
  );
  const after = (ms: number, cpuMs: number) => {
    now += ms * 1000;
    cpu += cpuMs * 1000;
    heartbeat.beat();
  };
  return { heartbeat, after };
}

test('beats in time, and a millisecond late, are no stop', () => {
  const { heartbeat, after } = heart();
  for (let i = 0; i < 100; i++) after(BEAT_MS + 1, i % 20);
  assert.deepEqual([heartbeat.totalUs, heartbeat.longestUs], [0, 0]);
});

test('a thread that was busy is late, and did not stand still', () => {
  const { heartbeat, after } = heart();
  after(300, 299);
  after(2000, 1990);
  assert.deepEqual([heartbeat.totalUs, heartbeat.longestUs], [0, 0]);
});

test('a stop counts by its length, less a beat and what was worked', () => {
  const { heartbeat, after } = heart();
  after(3000, 10);
  assert.equal(heartbeat.longestUs, (3000 - BEAT_MS - 10) * 1000);
  for (let i = 0; i < 10; i++) after(100, 5);
  assert.equal(heartbeat.longestUs, 2_970_000);
  assert.equal(heartbeat.totalUs, 2_970_000 + 10 * 75_000);
});

test('where the CPU time is not known, only what no work takes is a stop', () => {
  const { heartbeat, after } = heart(false);
  after(200, 200);
  assert.equal(heartbeat.longestUs, 0);
  after(500, 500);
  assert.equal(heartbeat.longestUs, 480_000);
});
