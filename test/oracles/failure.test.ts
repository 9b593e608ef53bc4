/** Oracles 6 and 7, interruption, and errors of the host: failures are typed, counted, in time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBetween, load, startOracle, unusedPort } from './harness.ts';

test('a refused port: every planned request is a typed failure', async () => {
  const port = await unusedPort();
  const { counts, errors, latencyUs } = await load({
    url: `http://127.0.0.1:${port}/`,
    ratePerSecond: 100,
    durationMs: 1000,
  });
  assert.deepEqual(errors, { ECONNREFUSED: 100 });
  assert.equal(counts.planned, 100);
  assert.equal(counts.sentOnWire, 0);
  assert.equal(latencyUs.answered?.count, 0);
});

test('a refused port in a closed loop fails without spinning', async () => {
  const port = await unusedPort();
  const { counts, errors } = await load({
    url: `http://127.0.0.1:${port}/`,
    loop: 'closed',
    ratePerSecond: null,
    connections: 2,
    durationMs: 500,
  });
  assert.equal(counts.answered, 0);
  assert.deepEqual(errors, { ECONNREFUSED: counts.failed });
  assertBetween(counts.failed, 2, 150, 'tries: one per 10 ms and connection at most');
});

test('an address that does not answer: connect timeouts at their elapsed time', async (t) => {
  // A full accept queue drops SYNs: a server that is stopped, with a backlog of nothing left.
  const server = await startOracle(t, { kind: 'hang', every: 1 });
  server.process.kill('SIGSTOP');
  const { errors, counts, latencyUs } = await load({
    url: server.url,
    ratePerSecond: 50,
    durationMs: 1000,
    timeoutMs: 300,
  });
  server.process.kill('SIGCONT');
  assert.equal(counts.failed, 50);
  const { REQUEST_TIMEOUT = 0, CONNECT_TIMEOUT = 0 } = errors;
  assert.equal(REQUEST_TIMEOUT + CONNECT_TIMEOUT, 50, JSON.stringify(errors));
  assert.ok(latencyUs.response.min >= 299_000, `min ${latencyUs.response.min}`);
});

test('an outage from t0: refused until the server is there, answered from then on', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  await server.down();
  let up: Promise<void> | null = null;
  const { counts, errors, windows } = await load(
    { url: server.url, durationMs: 3000 },
    {
      onTick: ({ atMs }) => {
        if (atMs === 0) up = server.up();
      },
    },
  );
  await up;
  assert.equal(counts.planned, 300);
  assert.deepEqual(errors, { ECONNREFUSED: counts.failed });
  assert.equal(windows[0]?.answered, 0);
  assertBetween(windows[2]!.answered, 95, 105, 'the last second');
});

test('an outage in the middle: typed failures, then recovery', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const changes: Array<Promise<void>> = [];
  const { counts, errors, windows } = await load(
    { url: server.url, durationMs: 4000 },
    {
      onTick: ({ atMs }) => {
        if (atMs === 0) changes.push(server.down());
        if (atMs === 1000) changes.push(server.up());
      },
    },
  );
  await Promise.all(changes);
  assert.equal(counts.planned, 400);
  assertBetween(counts.failed, 50, 150, 'about a second of failures');
  for (const name of Object.keys(errors)) {
    assert.ok(['ECONNREFUSED', 'ECONNRESET'].includes(name), name);
  }
  assertBetween(windows[0]!.answered, 95, 105, 'before');
  assertBetween(windows[3]!.answered, 95, 105, 'after');
});

test('an interrupted run keeps what it has, and plans no more than was due', async (t) => {
  const { url } = await startOracle(t, { kind: 'delay', ms: 20 });
  const controller = new AbortController();
  const started = performance.now();
  const measurement = await load(
    { url, durationMs: 60_000, ratePerSecond: 200 },
    {
      signal: controller.signal,
      onTick: ({ atMs }) => {
        if (atMs === 1000) controller.abort();
      },
    },
  );
  assert.ok(performance.now() - started < 10_000, 'ends at once');
  assert.equal(measurement.interrupted, true);
  assertBetween(measurement.counts.planned, 380, 600, 'planned: what was due in about 2 s');
  assertBetween(measurement.counts.answered, 350, 600, 'answered');
  assertBetween(measurement.requestsPerSecond, 150, 201, 'per second of the time it ran');
});

test('a run interrupted before it began is an empty, valid measurement', async (t) => {
  const { url } = await startOracle(t, { kind: 'delay', ms: 1 });
  const measurement = await load({ url, durationMs: 60_000 }, { signal: AbortSignal.abort() });
  assert.equal(measurement.interrupted, true);
  assert.equal(measurement.counts.planned, 0);
});

test('warm-up requests are sent and counted, and in no figure', async (t) => {
  const server = await startOracle(t, { kind: 'stall', afterMs: 0, ms: 700 });
  const { counts, latencyUs, windows } = await load({
    url: server.url,
    warmupMs: 1000,
    durationMs: 1000,
  });
  assert.equal(counts.warmupSent, 100);
  assert.equal(counts.planned, 100);
  assert.equal(counts.sentOnWire, 200);
  assert.equal((await server.stats()).requests, 200);
  assert.ok(latencyUs.response.max < 500_000, 'the stall was in the warm-up');
  assert.ok(windows.length <= 2);
});
