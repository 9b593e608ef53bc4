/** Oracle 8: the load that arrives is the load that was asked for, however many workers send it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBetween, load, startOracle } from './harness.ts';

const hashes = new Set<string>();

for (const workers of [1, 2, 4]) {
  test(`${workers} workers: exactly R·T requests arrive, evenly`, async (t) => {
    const server = await startOracle(t, { kind: 'delay', ms: 1 });
    const { counts, generator, plan, latencyUs } = await load({
      url: server.url,
      ratePerSecond: 500,
      durationMs: 2000,
      workers,
    });
    assert.equal(counts.planned, 1000);
    assert.equal(counts.answered, 1000);
    assert.equal(generator.workers, workers);
    assert.equal(latencyUs.response.count, 1000);
    const { requests, arrivalsPer100Ms } = await server.stats();
    assert.equal(requests, 1000);
    // 50 are due in each tenth of a second; a busy host may shift some to the next
    let arrived = 0;
    arrivalsPer100Ms.forEach((count, slot) => {
      arrived += count;
      assertBetween(arrived, Math.min(1000, 50 * slot) - 50, 50 * (slot + 1) + 50, `slot ${slot}`);
    });
    hashes.add(plan.sha256);
    assert.equal(hashes.size, 1, 'the plan does not depend on the workers');
  });
}

test('more workers than connections: as many as there are connections', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const { generator, counts } = await load({ url: server.url, workers: 4, connections: 2 });
  assert.equal(generator.workers, 2);
  assert.equal(counts.answered, 200);
  assertBetween((await server.stats()).connections, 1, 2, 'connections');
});

test('a ramp and a step send what their area says', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const { counts } = await load({
    url: server.url,
    ratePerSecond: null,
    stages: [
      { durationMs: 1000, fromRate: 0, toRate: 200 },
      { durationMs: 1000, fromRate: 50, toRate: 50 },
    ],
    workers: 2,
  });
  assert.equal(counts.answered, 150);
  const { arrivalsPer100Ms } = await server.stats();
  const early = arrivalsPer100Ms.slice(0, 5).reduce((sum, count) => sum + count, 0);
  assertBetween(early, 10, 60, 'a ramp begins slowly: 25 of its 100 in its first half');
});

test('a seeded Poisson load sends the same number with 1 and with 2 workers', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const planned: number[] = [];
  for (const workers of [1, 2]) {
    const { counts } = await load({
      url: server.url,
      arrival: 'poisson',
      ratePerSecond: 200,
      durationMs: 1000,
      seed: 7,
      workers,
    });
    planned.push(counts.planned);
  }
  assert.equal(planned[0], planned[1]);
  assertBetween(planned[0]!, 140, 260, 'about R·T');
});
