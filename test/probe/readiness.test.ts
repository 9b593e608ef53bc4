import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { isScratchpadError, ScratchpadError } from '../../cli/errors.ts';
import { type ReadinessOptions, waitForFirstValidReply } from '../../cli/probe/readiness.ts';

async function listening(t: TestContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function options(url: string, more: Partial<ReadinessOptions> = {}): ReadinessOptions {
  return {
    url,
    nonce: 'ours',
    t0Ns: process.hrtime.bigint(),
    deadlineMs: 10_000,
    signal: new AbortController().signal,
    ...more,
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    assert.ok(isScratchpadError(error), String(error));
    return error.code;
  }
}

const ready = (nonce: string) => JSON.stringify({ status: 'ok', nonce, handled: 0 });

describe('waitForFirstValidReply', () => {
  it('takes a 200 with our nonce and nothing else for ready', async (t) => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      if (requests <= 2) response.writeHead(503).end('starting');
      else if (requests <= 4) response.end(ready('another deployment'));
      else if (requests <= 5) response.end('not json');
      else response.end(ready('ours'));
    });
    const result = await waitForFirstValidReply(options(await listening(t, server)));
    assert.ok(requests >= 6);
    assert.ok(result.lastMissMs !== null && result.lastMissMs <= result.firstHitMs);
    assert.ok(result.polls >= 6);
  });

  it('brackets the moment at which the server starts to listen', async (t) => {
    const placeholder = createTcpServer();
    await new Promise<void>((resolve) => placeholder.listen(0, '127.0.0.1', resolve));
    const { port } = placeholder.address() as AddressInfo;
    await new Promise((resolve) => placeholder.close(resolve));
    const server = createServer((_, response) => response.end(ready('ours')));
    t.after(() => server.close());
    const t0Ns = process.hrtime.bigint();
    let listeningAtMs = Number.NaN;
    setTimeout(() => {
      server.listen(port, '127.0.0.1', () => {
        listeningAtMs = Number(process.hrtime.bigint() - t0Ns) / 1e6;
      });
    }, 200);
    const result = await waitForFirstValidReply(options(`http://127.0.0.1:${port}/`, { t0Ns }));
    assert.ok(
      result.lastMissMs !== null && result.lastMissMs <= listeningAtMs,
      JSON.stringify(result),
    );
    // The kernel accepts connections a moment before the 'listening' callback runs.
    assert.ok(result.firstHitMs >= 200, JSON.stringify(result));
  });

  it('goes on polling beside a poll that is accepted and never answered', async (t) => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      if (requests > 1) response.end(ready('ours'));
    });
    const result = await waitForFirstValidReply(options(await listening(t, server)));
    assert.ok(requests >= 2);
    assert.ok(result.firstHitMs < 5000);
  });

  it('gives up at the deadline with the last reason', async (t) => {
    const server = createServer((_, response) => response.writeHead(500).end());
    const url = await listening(t, server);
    await assert.rejects(waitForFirstValidReply(options(url, { deadlineMs: 1_000 })), (error) => {
      assert.ok(isScratchpadError(error));
      assert.equal(error.code, 'TARGET_NOT_READY');
      assert.equal(error.cause, 'status 500');
      assert.equal(error.exitCode, 3);
      return true;
    });
  });

  it('does not wait for a target that has died', async (t) => {
    const server = createServer((_, response) => response.writeHead(503).end());
    const url = await listening(t, server);
    const liveness = async () => ({ alive: false, detail: 'exit code 7' });
    assert.equal(await codeOf(waitForFirstValidReply(options(url, { liveness }))), 'TARGET_DIED');
  });

  it('ends at once when it is interrupted', async (t) => {
    const server = createServer((_, response) => response.writeHead(503).end());
    const url = await listening(t, server);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new ScratchpadError('INTERRUPTED', 'Ctrl-C')), 50);
    const waiting = waitForFirstValidReply(options(url, { signal: controller.signal }));
    assert.equal(await codeOf(waiting), 'INTERRUPTED');
  });
});
