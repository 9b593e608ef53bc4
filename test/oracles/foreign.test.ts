/**
 * Servers that others wrote: nginx, HAProxy and Flask, with what each has of odd responses. Each
 * request is answered as that server answers it, and the server's own count agrees.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseScenario } from '../../cli/load/scenario.ts';
import type { LoadMeasurement, LoadOptions } from '../../cli/load/types.ts';
import { platformTest } from '../platform/require.ts';
import { load, startOracle, unusedPort } from './harness.ts';

interface Foreign {
  url: string;
  /** Requests that the server has counted, without those that ask for the count. */
  count(): Promise<number>;
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'foreign-'));
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Start it and wait until it answers; the test's end stops it. */
function start(t: TestContext, command: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  t.after(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await exited;
  });
  return child;
}

async function untilAnswered(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

async function nginx(t: TestContext): Promise<Foreign> {
  const [folder, port] = [folderFor(t), await unusedPort()];
  writeFileSync(join(folder, 'index.html'), 'x'.repeat(612));
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 256; }
     http { access_log off; client_body_temp_path ${folder}; keepalive_requests 10;
       server { listen 127.0.0.1:${port}; root ${folder};
         location = /204 { return 204; }
         location = /304 { return 304; }
         location = /away { return 302 /; }
         location = /count { stub_status; }
       }
     }`,
  );
  start(t, 'nginx', ['-c', join(folder, 'nginx.conf')]);
  const url = `http://127.0.0.1:${port}`;
  await untilAnswered(`${url}/count`);
  const total = async () =>
    Number(/requests\n\s*\d+ \d+ (\d+)/.exec(await (await fetch(`${url}/count`)).text())?.[1]);
  let asked = 0; // stub_status counts those who ask it
  return { url, count: async () => (await total()) - ++asked };
}

async function haproxy(t: TestContext, backendPort: number): Promise<Foreign> {
  const [folder, port, counter] = [folderFor(t), await unusedPort(), await unusedPort()];
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `defaults
       mode http
       timeout connect 5s
       timeout client 30s
       timeout server 30s
     frontend odd
       bind 127.0.0.1:${port}
       http-request return status 200 content-type text/plain string "${'x'.repeat(612)}" if { path /plain }
       http-request return status 204 if { path /204 }
       http-request return status 304 if { path /304 }
       http-request redirect location /plain if { path /away }
       http-request deny deny_status 403 if { path /denied }
       default_backend there
     backend there
       server one 127.0.0.1:${backendPort}
     frontend counter
       bind 127.0.0.1:${counter}
       stats enable
       stats uri /\n`,
  );
  start(t, 'haproxy', ['-db', '-q', '-f', join(folder, 'haproxy.cfg')]);
  const url = `http://127.0.0.1:${port}`;
  await untilAnswered(`http://127.0.0.1:${counter}/;csv`);
  return {
    url,
    async count() {
      const [head, ...rows] = (await (await fetch(`http://127.0.0.1:${counter}/;csv`)).text())
        .split('\n')
        .map((line) => line.split(','));
      return Number(rows.find(([name]) => name === 'odd')![head!.indexOf('req_tot')]);
    },
  };
}

async function flask(t: TestContext, protocol: 'HTTP/1.0' | 'HTTP/1.1'): Promise<Foreign> {
  const app = fileURLToPath(new URL('./flask-app.py', import.meta.url));
  const child = start(t, 'python3', [app, protocol]);
  const [port] = (await once(createInterface(child.stdout!), 'line')) as [string];
  const url = `http://127.0.0.1:${port}`;
  return { url, count: async () => Number(await (await fetch(`${url}/count`)).text()) };
}

/** 50 requests of one kind; every one of them must be the server's, and no other. */
async function fifty(
  { url, count }: Foreign,
  operation: { path: string } & Record<string, unknown>,
  options: Partial<LoadOptions> = {},
): Promise<LoadMeasurement> {
  const before = await count();
  const scenario = parseScenario({
    schemaVersion: 1,
    name: 'foreign',
    operations: [{ name: 'one', ...operation }],
  });
  const measurement = await load({
    url: `${url}/`,
    scenario,
    ratePerSecond: 100,
    durationMs: 500,
    connections: 8,
    ...options,
  });
  const { counts } = measurement;
  assert.equal(counts.planned, 50);
  assert.equal((await count()) - before, counts.sentOnWire, `${operation.path}: server's count`);
  return measurement;
}

const answered = ({ counts, statuses }: LoadMeasurement, status: number) => {
  assert.equal(counts.answered, 50);
  assert.deepEqual(statuses, { [status]: 50 });
};

platformTest('nginx', 'nginx: bodies, HEAD, 204, 304, redirects; it closes after 10', async (t) => {
  const server = await nginx(t);
  const plain = await fifty(server, { path: '/' });
  answered(plain, 200);
  assert.ok(plain.bytes.received > 50 * 612);
  const fresh = plain.connectionsUs.fresh.count;
  assert.ok(fresh >= 5, `keepalive_requests 10: ${fresh} connections`);
  const head = await fifty(server, { path: '/', method: 'HEAD' });
  answered(head, 200);
  assert.ok(head.bytes.received < 50 * 612, 'no body comes with a HEAD');
  answered(await fifty(server, { path: '/204' }), 204);
  answered(await fifty(server, { path: '/304' }), 304);
  answered(await fifty(server, { path: '/away' }), 302);
  const missing = await fifty(server, { path: '/none' });
  assert.deepEqual(missing.errors, { HTTP_404: 50 });
});

platformTest(
  'haproxy',
  'HAProxy: its own answers, a backend, a refusal in mid-upload',
  async (t) => {
    const oracle = await startOracle(t, {
      kind: 'raw',
      pieces: ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', '0\r\n\r\n'],
      after: 'keep',
    });
    const server = await haproxy(t, oracle.port);
    const plain = await fifty(server, { path: '/plain' });
    answered(plain, 200);
    assert.ok(plain.connectionsUs.reused.count > 0, 'kept alive');
    answered(await fifty(server, { path: '/plain', method: 'HEAD' }), 200);
    answered(await fifty(server, { path: '/204' }), 204);
    answered(await fifty(server, { path: '/304' }), 304);
    answered(await fifty(server, { path: '/away' }), 302);
    answered(await fifty(server, { path: '/backend' }), 200);
    const closing = await fifty(server, { path: '/backend' }, { headers: { Connection: 'close' } });
    answered(closing, 200);
    assert.equal(closing.connectionsUs.fresh.count, 50);
    assert.equal((await oracle.stats()).requests, 100);
    // answered before the body was all sent: the status counts, the connection is not used again
    const denied = await fifty(server, {
      path: '/denied',
      method: 'POST',
      body: 'x'.repeat(300_000),
    });
    assert.deepEqual(denied.errors, { HTTP_403: 50 });
  },
);

for (const protocol of ['HTTP/1.1', 'HTTP/1.0'] as const) {
  platformTest(
    'flask',
    `Flask over ${protocol}: chunks, 204, 304, HEAD, 100-continue`,
    async (t) => {
      const server = await flask(t, protocol);
      answered(await fifty(server, { path: '/plain' }, { connections: 1 }), 200);
      answered(await fifty(server, { path: '/plain', method: 'HEAD' }, { connections: 1 }), 200);
      const pieces = await fifty(server, { path: '/pieces' }, { connections: 1 });
      answered(pieces, 200);
      assert.ok(pieces.bytes.received > 50 * 20 * 'part 1'.length);
      answered(await fifty(server, { path: '/204' }, { connections: 1 }), 204);
      answered(await fifty(server, { path: '/304' }, { connections: 1 }), 304);
      answered(await fifty(server, { path: '/away' }, { connections: 1 }), 302);
      const echo = { path: '/echo', method: 'POST', body: 'äöü'.repeat(300) };
      const expecting = { connections: 1, headers: { Expect: '100-continue' } };
      answered(
        await fifty(server, { ...echo, expect: { bodyIncludes: 'äöüäöü' } }, expecting),
        200,
      );
    },
  );
}
