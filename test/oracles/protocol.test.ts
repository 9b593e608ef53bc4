/** Oracle 5: the ways in which servers frame, split, close and break responses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Behaviour, load, startOracle } from './harness.ts';

test('a server that closes after each response: every request has a connection of its own', async (t) => {
  const server = await startOracle(t, { kind: 'close' });
  const { counts, connectionsUs, latencyUs } = await load({ url: server.url, durationMs: 1000 });
  assert.equal(counts.answered, 100);
  assert.equal(connectionsUs.fresh.count, 100);
  assert.equal(connectionsUs.reused.count, 0);
  assert.equal(latencyUs.connect.count, 100);
  const { requests, connections } = await server.stats();
  assert.deepEqual([requests, connections], [100, 100]);
});

test('a server that closes idle connections loses no request', async (t) => {
  const server = await startOracle(t, { kind: 'idle-close', ms: 60 });
  // requests 200 ms apart: each finds the connection of the one before closed
  const { counts } = await load({ url: server.url, ratePerSecond: 5, durationMs: 2000 });
  assert.equal(counts.answered, 10);
  assert.equal((await server.stats()).connections, 10);
});

test('a server that closes because it was asked to, and does not say so, loses no request', async (t) => {
  const response = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const server = await startOracle(t, { kind: 'raw', pieces: [response], after: 'end' });
  const { counts, errors } = await load({
    url: server.url,
    loop: 'closed',
    ratePerSecond: null,
    connections: 4,
    headers: { Connection: 'close' },
    durationMs: 500,
  });
  assert.deepEqual(errors, {});
  const { connections, requests } = await server.stats();
  assert.equal(connections, requests);
  assert.equal(requests, counts.sentOnWire);
});

test('a connection is not used after the time that Keep-Alive allows', async (t) => {
  const response = 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n';
  const server = await startOracle(t, { kind: 'raw', pieces: [response], after: 'keep' });
  const { counts } = await load({ url: server.url, ratePerSecond: 10, durationMs: 1000 });
  assert.equal(counts.answered, 10);
  assert.equal((await server.stats()).connections, 10, 'timeout=1 less a second leaves no reuse');
});

const ANSWERED: Record<string, { behaviour: Behaviour; status: number; reused: boolean }> = {
  'chunks with trailers': {
    behaviour: {
      kind: 'raw',
      pieces: [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
        '3;x=y\r\n, y\r\n0\r\nX-Sum: 1\r\n\r\n',
      ],
      after: 'keep',
    },
    status: 200,
    reused: true,
  },
  'an interim response first': {
    behaviour: {
      kind: 'raw',
      pieces: [
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
        'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      ],
      after: 'keep',
    },
    status: 200,
    reused: true,
  },
  '204 without a body': {
    behaviour: { kind: 'raw', pieces: ['HTTP/1.1 204 No Content\r\n\r\n'], after: 'keep' },
    status: 204,
    reused: true,
  },
  'a redirect, which is reported and not followed': {
    behaviour: {
      kind: 'raw',
      pieces: ['HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'],
      after: 'keep',
    },
    status: 302,
    reused: true,
  },
  'a body that ends with the connection': {
    behaviour: { kind: 'raw', pieces: ['HTTP/1.0 200 OK\r\n\r\nall', ' of it'], after: 'end' },
    status: 200,
    reused: false,
  },
  'a response split at every byte': {
    behaviour: {
      kind: 'bytewise',
      response:
        'HTTP/1.1 200 OK\r\nServer: drip\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndrip\r\n0\r\n\r\n',
    },
    status: 200,
    reused: true,
  },
};

for (const [name, { behaviour, status, reused }] of Object.entries(ANSWERED)) {
  test(`${name}: all are answered`, async (t) => {
    const server = await startOracle(t, behaviour);
    const { counts, statuses, connectionsUs } = await load({
      url: server.url,
      ratePerSecond: 50,
      durationMs: 1000,
    });
    assert.equal(counts.answered, 50);
    assert.deepEqual(statuses, { [status]: 50 });
    assert.equal((await server.stats()).requests, 50, 'nothing is repeated or followed');
    assert.equal(connectionsUs.fresh.count < 50, reused);
  });
}

const FAILED: Record<string, { behaviour: Behaviour; error: string }> = {
  'a length cut short': {
    behaviour: {
      kind: 'raw',
      pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'],
      after: 'end',
    },
    error: 'EOF_MID_BODY',
  },
  'a reset in mid-body': {
    behaviour: {
      kind: 'raw',
      pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'],
      after: 'reset',
    },
    error: 'ECONNRESET',
  },
  'chunks without an end': {
    behaviour: {
      kind: 'raw',
      pieces: ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
      after: 'end',
    },
    error: 'EOF_MID_BODY',
  },
  'a close without an answer': {
    behaviour: { kind: 'raw', pieces: [], after: 'end' },
    error: 'ECONNRESET',
  },
  'another protocol': {
    behaviour: { kind: 'raw', pieces: ['SSH-2.0-OpenSSH_9.2\r\n'], after: 'keep' },
    error: 'PARSE',
  },
  'a head without an end': { behaviour: { kind: 'endless-head' }, error: 'PARSE' },
};

for (const [name, { behaviour, error }] of Object.entries(FAILED)) {
  test(`${name}: all fail as ${error}`, async (t) => {
    const server = await startOracle(t, behaviour);
    const { counts, errors } = await load({ url: server.url, ratePerSecond: 50, durationMs: 1000 });
    assert.equal(counts.failed, 50);
    assert.deepEqual(errors, { [error]: 50 });
  });
}

test('statuses from 400 on are failures with their number, and still on the wire', async (t) => {
  const { url } = await startOracle(t, { kind: 'status', every: 4, status: 503 });
  const { counts, errors, statuses, operations } = await load({ url, durationMs: 1000 });
  assert.deepEqual(errors, { HTTP_503: 25 });
  assert.deepEqual(statuses, { 200: 75, 503: 25 });
  assert.equal(counts.sentOnWire, 100);
  assert.equal(operations['index']!.failedResponse.count, 25);
});

test('bytes that nobody asked for end the connection and fail no request', async (t) => {
  const response = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more';
  const { url } = await startOracle(t, { kind: 'raw', pieces: [response], after: 'keep' });
  const { counts, connectionsUs } = await load({ url, ratePerSecond: 50, durationMs: 1000 });
  assert.equal(counts.answered, 50);
  assert.equal(connectionsUs.fresh.count, 50, 'out of step: no connection is used again');
});
