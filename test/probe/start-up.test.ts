/** What a start-up trial reads after the first valid reply, and how it stands to the start call. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import {
  MEMORY_MOMENTS,
  measureStartUp,
  phasesOf,
  type StartUpOptions,
} from '../../cli/probe/start-up.ts';
import { startUpSchema } from '../../cli/record/schema.ts';
import { figuresOfStartUp } from '../../cli/report/metrics.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { readingOf } from '../meters/readings.ts';

const MOMENTS = { readyMs: 60, settledMs: 180 };

/** A deployment that is ready at once; its n-th reading has a working set of n MB. */
async function start(
  t: TestContext,
  options: Partial<StartUpOptions>,
  own: Partial<Deployment> = {},
) {
  const polledAt: number[] = [];
  const server = createServer((_, response) => {
    polledAt.push(performance.now());
    response.end(JSON.stringify({ status: 'ok', nonce: 'ours', handled: 0 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const readAt: number[] = [];
  const deployment = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    startedAtNs: process.hrtime.bigint(),
    state: { target: 'bare', nonce: 'ours', plan: { acceleration: null }, prepared: null },
    liveness: async () => ({ alive: true, detail: 'a test' }),
    phases: async () => [],
    meter: async () => ({
      read: async () => {
        readAt.push(performance.now());
        return readingOf({ memory: { workingSetBytes: readAt.length * 1e6 } });
      },
      close: async () => {},
    }),
    ...own,
  } as unknown as Deployment;
  const signal = new AbortController().signal;
  const from = performance.now();
  const startUp = await measureStartUp(deployment, {
    mode: 'warm',
    signal,
    memory: true,
    moments: MOMENTS,
    ...options,
  });
  const after = readAt.map((at) => at - from);
  return { startUp: startUpSchema.parse(startUp), after, polledAt };
}

describe('memory after the first valid reply', () => {
  it('is read at 1 s and, where it is waited for, at 30 s', async (t) => {
    assert.deepEqual(MEMORY_MOMENTS, { readyMs: 1000, settledMs: 30_000 });
    const { startUp, after } = await start(t, { settle: true });
    assert.equal(startUp.memoryAtReady?.workingSetBytes, 1e6);
    assert.equal(startUp.memorySettled?.workingSetBytes, 2e6);
    // Both count from the reply and not from one another; a timer may fire 1 ms early.
    assert.ok(after[0]! >= MOMENTS.readyMs - 1 && after[1]! >= MOMENTS.settledMs - 1, `${after}`);
    assert.equal(figuresOfStartUp(startUp).values.get('memory-settled'), 2e6);
  });

  it('has a reason where it was not waited for', async (t) => {
    const { startUp, after } = await start(t, { settle: false });
    assert.equal(after.length, 1);
    assert.match(JSON.stringify(startUp.memorySettled), /probe --settle/);
    assert.match(
      JSON.stringify(figuresOfStartUp(startUp).values.get('memory-settled')),
      /--settle/,
    );
  });

  it('is left to a bench, which reads it itself', async (t) => {
    const { startUp } = await start(t, {});
    assert.equal('memorySettled' in startUp, false);
    assert.equal(figuresOfStartUp(startUp).values.has('memory-settled'), false);
  });
});

it('puts the phases of a start into words, Vagrant’s own among them', () => {
  const source = 'vagrant --machine-readable';
  const phases = [
    { name: 'vagrant: until the domain starts', startMs: 0, endMs: 8_200.4, source },
    { name: 'VMM start', startMs: 8_200.4, endMs: 8_500.4, source: 'serial console' },
  ];
  assert.equal(phasesOf({ phases }), 'vagrant: until the domain starts 8200, VMM start 300');
  assert.equal(phasesOf({ phases: [] }), '');
});

describe('a start call that outlasts the start', () => {
  const CALL_MS = 1_500;
  const returnedLater = () => new Promise<void>((resolve) => setTimeout(resolve, CALL_MS));

  it('does not hold up the first reply, which may come before it, and is waited for', async (t) => {
    let hasReturned = false;
    const startCall = returnedLater().then(() => {
      hasReturned = true;
    });
    const { startUp } = await start(t, { memory: false }, { startCall });
    assert.ok(startUp.firstHitMs < CALL_MS, `${startUp.firstHitMs} ms`);
    assert.ok(hasReturned);
  });

  it('is waited for by the polls where something else accepts meanwhile', async (t) => {
    let returnedAt = Number.POSITIVE_INFINITY;
    const startCall = returnedLater().then(() => {
      returnedAt = performance.now();
    });
    const own = { startCall, pollsAfterStartCall: true };
    const { startUp, polledAt } = await start(t, { memory: false }, own);
    assert.ok(polledAt[0]! >= returnedAt, `polled at ${polledAt}, returned at ${returnedAt}`);
    assert.ok(startUp.firstHitMs > CALL_MS / 2, `${startUp.firstHitMs} ms`);
  });

  it('ends the wait with its own reason where it fails', async (t) => {
    const startCall = Promise.reject(new Error('no such provider'));
    startCall.catch(() => {});
    const url = 'http://127.0.0.1:9/'; // nobody listens
    await assert.rejects(start(t, {}, { startCall, url }), { message: 'no such provider' });
  });
});
