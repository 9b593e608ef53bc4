/**
 * Oracles 1 to 4, 9, 12: latencies that can be worked out beforehand. Lower bounds are exact (no
 * answer can be faster than the truth); upper bounds leave room for a busy host.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBetween, load, startOracle } from './harness.ts';

const MS = 1000;
/** Tolerated excess: a scheduler's bad moments on a shared host. */
const NOISE = 150 * MS;

test('a stall is seen by every request that was due in it: P(L > x) = (S − x) / T', async (t) => {
  const stallMs = 1400;
  const seconds = 6;
  const { url } = await startOracle(t, { kind: 'stall', afterMs: 2000, ms: stallMs });
  const { latencyUs, counts } = await load({
    url,
    ratePerSecond: 500,
    connections: 100,
    durationMs: seconds * 1000,
  });
  assert.equal(counts.answered, 3000);
  for (const [name, share] of [
    ['p90', 0.1],
    ['p95', 0.05],
    ['p99', 0.01],
  ] as const) {
    const truthUs = (stallMs - share * seconds * 1000) * MS;
    assertBetween(latencyUs.response[name], truthUs * 0.97, truthUs + NOISE, name);
  }
  assertBetween(latencyUs.response.p50, 0, 100 * MS, 'the median is outside the stall');
  // what the requests that were on the wire saw: the coordinated omission that service time has
  assert.ok(latencyUs.service.p90 < latencyUs.response.p90 / 2);
});

test('a fixed delay of 20 ms is measured as 20 ms, for exactly R·T requests', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 20 });
  const { latencyUs, counts } = await load({ url: server.url, durationMs: 5000 });
  const { answeredInWindow, ...others } = counts;
  assertBetween(answeredInWindow!, 480, 498, 'the last two, sent 10 and 20 ms before it, are late');
  assert.deepEqual(others, {
    planned: 500,
    sent: 500,
    unsent: 0,
    answered: 500,
    failed: 0,
    open: 0,
    warmupSent: 0,
    sentOnWire: 500,
    verifySent: 0,
  });
  assert.equal((await server.stats()).requests, 500);
  for (const { min, p50 } of [latencyUs.response, latencyUs.service, latencyUs.ttfb]) {
    // Of 500 the quickest tells what the engine adds; the median also what the host does.
    assertBetween(min, 20 * MS, 25 * MS, 'min');
    assertBetween(p50, 20 * MS, 40 * MS, 'p50: a delay that is counted twice is more');
  }
});

test('percentiles of a mixed delay are those that the server stamped itself', async (t) => {
  // 30 % take 50 ms, 35 % 100, 30 % 200, 5 % 400: the percentiles below lie inside of one of them
  const ms = [50, 100, 200].flatMap((each) => Array<number>(6).fill(each)).concat(100, 400);
  const server = await startOracle(t, { kind: 'delays', ms });
  const { latencyUs, counts } = await load({ url: server.url, durationMs: 4000 });
  assert.equal(counts.answered, 400);
  const truthUs = (await server.stats()).truthUs.sort((a, b) => a - b);
  assert.equal(truthUs.length, 400);
  for (const [name, share] of [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
  ] as const) {
    const truth = truthUs[Math.ceil(share * 400) - 1]!;
    const excess = latencyUs.service[name] - truth;
    t.diagnostic(`${name}: the server's ${truth.toFixed(0)} µs, ours ${excess.toFixed(0)} µs more`);
    // 1 % is the goal; above it there may be what a busy host adds on the way to us
    assertBetween(excess, -0.001 * truth, 0.01 * truth + NOISE / 10, name);
  }
});

test('the parts of a response add up: lag + wait + ttfb + body', async (t) => {
  const { url } = await startOracle(t, { kind: 'delay', ms: 5 });
  const { latencyUs } = await load({ url, ratePerSecond: 200, connections: 4 });
  const { response, lag, wait, service, ttfb, body } = latencyUs;
  // means of 3-digit buckets, rounded to µs
  const tolerance = 5 + response.mean / 500;
  assert.ok(Math.abs(response.mean - (lag.mean + wait!.mean + service.mean)) < tolerance);
  assert.ok(Math.abs(service.mean - (ttfb.mean + body.mean)) < tolerance);
});

// Whatever tells where a body ends: the first byte is at once, the last 100 ms later.
for (const [name, first, rest, after] of [
  ['by the end of the connection', 'HTTP/1.0 200 OK\r\n\r\nhalf', ' and half', 'end'],
  ['by the end of the connection alone', 'HTTP/1.0 200 OK\r\n\r\nall of it', '', 'end'],
  ['by its length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf ', 'half', 'keep'],
  [
    'by the last chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    '0\r\n\r\n',
    'keep',
  ],
] as const) {
  test(`a body that ends ${name}: ttfb is its first byte, body lasts until its end`, async (t) => {
    const { url } = await startOracle(t, { kind: 'halves', first, ms: 100, rest, after });
    const { latencyUs, counts } = await load({ url, ratePerSecond: 50, durationMs: 1000 });
    assert.equal(counts.answered, 50);
    const { service, ttfb, body } = latencyUs;
    for (const { count } of [service, ttfb, body]) assert.equal(count, 50);
    assertBetween(ttfb.p50, 0, 50 * MS, 'ttfb');
    assertBetween(body.p50, 50 * MS, 100 * MS + NOISE, 'body');
    // the server's own timer may be early by as long as its event loop turned
    assert.ok(service.p50 >= 80 * MS, `service p50 ${service.p50}`);
    assert.ok(Math.abs(service.mean - (ttfb.mean + body.mean)) < 5 + service.mean / 500);
  });
}

// On 64 connections most requests wait for one, on 600 all of them wait in the server.
for (const [connections, seconds] of [
  [64, 3],
  [600, 2],
] as const) {
  test(`twice the capacity, ${connections} connections: request i waits 20 ms + i/100 s`, async (t) => {
    const { url } = await startOracle(t, { kind: 'serial', ms: 20 });
    const { latencyUs, counts, windows, requestsPerSecond, limiter } = await load({
      url,
      ratePerSecond: 100,
      connections,
      durationMs: seconds * 1000,
      drainMs: 15_000,
      timeoutMs: 20_000,
    });
    const requests = 100 * seconds;
    assert.equal(counts.answered, requests);
    const truthUs = (share: number) => (20 + 10 * (share * requests - 1)) * MS;
    const { p50, p99 } = latencyUs.response;
    assertBetween(p50, truthUs(0.5), truthUs(0.5) * 1.15 + NOISE, 'median of all');
    assertBetween(p99, truthUs(0.99), truthUs(0.99) * 1.15 + NOISE, 'p99 of all');
    assertBetween(requestsPerSecond, 40, 50.5, 'throughput is the capacity, not the demand');
    assert.equal(counts.answeredInWindow, Math.round(requestsPerSecond * seconds));
    assert.ok(windows.length >= 2 * seconds, 'the drain is in the windows');
    // where other tests have the CPUs meanwhile, the host is
    assert.ok(limiter === 'target' || limiter === 'host', String(limiter));
  });
}

test('overload without a drain: half is censored, and the high percentiles say "at least"', async (t) => {
  const { url } = await startOracle(t, { kind: 'serial', ms: 20 });
  const { latencyUs, counts, warnings } = await load({
    url,
    ratePerSecond: 100,
    durationMs: 5000,
    drainMs: 0,
  });
  const { response, answered } = latencyUs;
  assertBetween(counts.answered, 200, 250, 'answered');
  assert.equal(counts.open, 64);
  assert.equal(counts.unsent, 500 - counts.answered - 64);
  assertBetween(answered!.p50, 1100 * MS, 1450 * MS, 'median of the completed: about 1.25 s');
  assert.equal(response.censored, 500 - counts.answered);
  assert.ok(response.lowerBounds.includes('p99'));
  assert.ok(response.lowerBounds.includes('mean'));
  assert.deepEqual(answered!.lowerBounds, []);
  assert.ok(warnings.some((warning) => warning.includes('unsent')));
});

test('a tenth of the requests hang: p95 is at least the timeout', async (t) => {
  const { url } = await startOracle(t, { kind: 'hang', every: 10 });
  const { latencyUs, counts, errors, operations } = await load({
    url,
    ratePerSecond: 100,
    durationMs: 3000,
    timeoutMs: 1000,
  });
  assert.deepEqual(errors, { REQUEST_TIMEOUT: 30 });
  assert.equal(counts.answered, 270);
  assert.ok(latencyUs.response.p95 >= 1000 * MS, `p95 ${latencyUs.response.p95}`);
  assertBetween(latencyUs.response.max, 1000 * MS, 1000 * MS + NOISE, 'max');
  assertBetween(operations['index']!.failedResponse.min, 999 * MS, 1000 * MS + NOISE, 'elapsed');
});

test('a target that is stopped for 3 s and continued has them in its percentiles', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  let stopped = false;
  const { latencyUs, counts } = await load(
    { url: server.url, ratePerSecond: 100, durationMs: 6000 },
    {
      onTick: () => {
        if (stopped) return;
        stopped = true;
        server.process.kill('SIGSTOP');
        setTimeout(() => server.process.kill('SIGCONT'), 3000);
      },
    },
  );
  assert.equal(counts.answered, 600);
  // due in the stop: half of all; the longest waited for nearly all of it
  assertBetween(latencyUs.response.max, 2900 * MS, 3000 * MS + 4 * NOISE, 'max');
  assertBetween(latencyUs.response.p90, 2300 * MS, 2400 * MS + 2 * NOISE, 'p90: 3 s − 0.1 · 6 s');
});

test('a closed loop is labelled: the stall is one sample per connection, and a warning says so', async (t) => {
  const { url } = await startOracle(t, { kind: 'stall', afterMs: 500, ms: 1000 });
  const { latencyUs, plan, counts, warnings } = await load({
    url,
    loop: 'closed',
    ratePerSecond: null,
    connections: 4,
  });
  assert.equal(plan.loop, 'closed');
  assert.equal(plan.ratePerSecond, null);
  assert.equal(counts.unsent, 0);
  assert.ok(latencyUs.response.max >= 900 * MS);
  assert.ok(latencyUs.response.p99 < 500 * MS, 'a closed loop hides the stall from its p99');
  assert.ok(warnings.some((warning) => warning.startsWith('closed loop')));
});
