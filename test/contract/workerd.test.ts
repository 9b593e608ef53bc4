/** The contract on workerd, with a libSQL server over HTTP; and Node against that same server. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildWorker } from '../../scripts/build-workload.ts';
import { contract } from './contract.ts';
import { type Adapter, startAdapter } from './hrana-adapter.ts';
import { security } from './security.ts';
import { type RunningServer, runtimeBinary, startServer } from './server.ts';

const nonce = 'workerd-nonce';
const workerd = runtimeBinary('workerd');
const turso = runtimeBinary('turso');
const skip = workerd.skip || turso.skip;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Polls until it answers at all; the process's end is the bound. */
async function answers(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`${child.spawnfile} ended before it answered`);
}

const config = (port: number, bindings: Record<string, string>): string => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "scratchpad", worker = .scratchpad),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "scratchpad")],
);
const scratchpad :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  bindings = [${Object.entries(bindings)
    .map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`)
    .join(', ')}],
);`;

describe('with a libSQL server', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-workerd-'));
  let database: ChildProcess;
  let adapter: Adapter;
  let adapterIsOpen = false;
  let worker: ChildProcess;
  let workerUrl: string;
  let node: RunningServer;

  before(async () => {
    const databasePort = await freePort();
    const databaseUrl = `http://127.0.0.1:${databasePort}`;
    database = spawn(
      turso.path,
      ['--sync-server', `127.0.0.1:${databasePort}`, join(folder, 'server.db')],
      { stdio: 'ignore', detached: true },
    );
    await answers(databaseUrl, database);
    adapter = await startAdapter(databaseUrl);
    adapterIsOpen = true;

    const port = await freePort();
    await buildWorker(join(folder, 'worker.js'));
    writeFileSync(
      join(folder, 'config.capnp'),
      config(port, {
        SCRATCHPAD_DB_URL: adapter.url,
        SCRATCHPAD_NONCE: nonce,
        SCRATCHPAD_REQUEST_TIMEOUT_MS: '2000',
      }),
    );
    worker = spawn(workerd.path, ['serve', join(folder, 'config.capnp')], {
      stdio: 'inherit',
      detached: true,
    });
    workerUrl = `http://127.0.0.1:${port}/`;
    await answers(workerUrl, worker);
    node = await startServer({
      env: { SCRATCHPAD_DB_URL: adapter.url, SCRATCHPAD_NONCE: nonce },
    });
  });
  after(async () => {
    assert.equal(await node.stop(), 0);
    for (const child of [worker, database]) {
      // The npm packages start the real program as a child: the whole group has to go.
      process.kill(-child.pid!, 'SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    if (adapterIsOpen) await adapter.close();
    rmSync(folder, { recursive: true, force: true });
  });

  contract('workerd', () => workerUrl, { nonce });
  security('workerd', () => workerUrl, {
    requestTimeoutMs: 2000,
    slowHeads: 'not offered',
    slowBodies: 'cut off',
    earlyAnswers: 'may be reset',
    stalledReaders: 'not offered',
    parserHeaders: false,
  });
  contract('the bundle on Node with a remote database', () => node.url, { nonce });

  test('without its database it lives, is not ready, and says 503 with Retry-After', async () => {
    await adapter.close();
    adapterIsOpen = false;
    for (const url of [workerUrl, node.url]) {
      assert.equal((await fetch(new URL('/livez', url))).status, 200, url);
      for (const path of ['/', '/api/posts', '/readyz']) {
        const reply = await fetch(new URL(path, url));
        assert.equal(reply.status, 503, `${url}${path}: ${await reply.text()}`);
        assert.equal(reply.headers.get('retry-after'), '1');
        assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
      }
    }
  });

  test('a worker whose database cannot be one says so in its log, and answers nothing else', async () => {
    const port = await freePort();
    const file = join(folder, 'wrong.capnp');
    writeFileSync(file, config(port, { SCRATCHPAD_DB_URL: 'file:x.db', SCRATCHPAD_LOG: 'loud' }));
    const wrong = spawn(workerd.path, ['serve', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let log = '';
    for (const stream of [wrong.stdout, wrong.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text;
      });
    }
    try {
      const url = `http://127.0.0.1:${port}/`;
      await answers(url, wrong);
      const reply = await fetch(url);
      assert.equal(reply.status, 500);
      assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
      assert.match(await reply.text(), /configuration of this server is invalid/);
      while (!log.includes('CONFIG_INVALID')) {
        assert.equal(wrong.exitCode, null, log);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.match(log, /SCRATCHPAD_LOG must be off or requests/);
      assert.match(log, /SCRATCHPAD_DB_URL must name a libSQL server here/);
    } finally {
      process.kill(-wrong.pid!, 'SIGKILL');
      if (wrong.exitCode === null && wrong.signalCode === null) await once(wrong, 'exit');
    }
  });
});
