/** HTTPS, Unix sockets, IPv6: the same figures over each. Servers run in a thread of their own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ScratchpadError } from '../../cli/errors.ts';
import { load, unusedPort } from './harness.ts';

const SERVER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { tls, listen } = workerData;
  let count = 0;
  const answer = (request, response) => { count++; response.end(request.headers.host); };
  const server = tls
    ? require('node:https').createServer(tls, answer)
    : require('node:http').createServer(answer);
  server.listen(listen, () => parentPort.postMessage(server.address()));
  parentPort.on('message', () => parentPort.postMessage(count));
`;

async function serve(
  t: TestContext,
  listen: net.ListenOptions,
  tls?: { key: string; cert: string },
): Promise<{ port: number; requests(): Promise<number> }> {
  const worker = new Worker(SERVER, { eval: true, workerData: { tls, listen }, execArgv: [] });
  t.after(() => worker.terminate());
  const [address] = (await once(worker, 'message')) as [{ port: number }];
  return {
    port: address.port,
    async requests() {
      worker.postMessage('count');
      return (await once(worker, 'message'))[0] as number;
    },
  };
}

function scratchFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oracle-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A certificate for "localhost" that no one has signed but itself. */
function selfSigned(t: TestContext): { key: string; cert: string } | null {
  const folder = scratchFolder(t);
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
        .concat(['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'])
        .concat(['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']),
      { stdio: 'pipe' },
    );
  } catch {
    t.skip('needs openssl to make a certificate');
    return null;
  }
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

test('HTTPS with `insecure`: answered, handshakes in connect', async (t) => {
  const tls = selfSigned(t);
  if (tls === null) return;
  const server = await serve(t, { port: 0, host: '127.0.0.1' }, tls);
  const { counts, latencyUs } = await load({
    url: `https://127.0.0.1:${server.port}/`,
    insecure: true,
    durationMs: 1000,
  });
  assert.equal(counts.answered, 100);
  assert.equal(counts.sentOnWire, 100);
  assert.equal(await server.requests(), 100);
  assert.ok(latencyUs.connect.count >= 1 && latencyUs.connect.count <= 64);
});

test('HTTPS with a certificate that cannot be trusted: every request fails as TLS', async (t) => {
  const tls = selfSigned(t);
  if (tls === null) return;
  const server = await serve(t, { port: 0, host: '127.0.0.1' }, tls);
  const { errors, counts } = await load({
    url: `https://localhost:${server.port}/`,
    ratePerSecond: 20,
    durationMs: 1000,
  });
  assert.deepEqual(errors, { TLS: 20 });
  assert.equal(counts.sentOnWire, 0);
});

test('HTTPS to a server that speaks plain HTTP: every request fails as TLS', async (t) => {
  const server = await serve(t, { port: 0, host: '127.0.0.1' });
  const { errors } = await load({
    url: `https://127.0.0.1:${server.port}/`,
    insecure: true,
    ratePerSecond: 20,
    durationMs: 1000,
  });
  assert.deepEqual(errors, { TLS: 20 });
});

test('a Unix socket: answered, with the URL as the Host', async (t) => {
  const socketPath = join(scratchFolder(t), 'server.sock');
  const server = await serve(t, { path: socketPath });
  const { counts, bytes } = await load({ url: 'http://some.host/', socketPath, durationMs: 1000 });
  assert.equal(counts.answered, 100);
  assert.equal(await server.requests(), 100);
  assert.ok(bytes.received > 100 * 'some.host'.length);
});

test('a Unix socket that is not there: every request fails as ENOENT', async (t) => {
  const { errors } = await load({
    url: 'http://localhost/',
    socketPath: join(scratchFolder(t), 'none.sock'),
    ratePerSecond: 20,
    durationMs: 500,
  });
  assert.deepEqual(errors, { ENOENT: 10 });
});

test('IPv6: answered', async (t) => {
  const probe = net.createServer();
  const hasIpv6 = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true));
  });
  probe.close();
  if (!hasIpv6) {
    t.skip('this host has no ::1');
    return;
  }
  const server = await serve(t, { port: 0, host: '::1' });
  const { counts } = await load({ url: `http://[::1]:${server.port}/`, durationMs: 1000 });
  assert.equal(counts.answered, 100);
  assert.equal(await server.requests(), 100);
});

test('localhost is the family on which the server listens', async (t) => {
  const server = await serve(t, { port: 0, host: '127.0.0.1' });
  const { counts } = await load({ url: `http://localhost:${server.port}/`, durationMs: 500 });
  assert.equal(counts.answered, 50);
});

test('a name that does not resolve is an error before anything is sent', async () => {
  await assert.rejects(
    load({ url: `http://no-such-host.invalid:${await unusedPort()}/` }),
    (error) => error instanceof ScratchpadError && error.code === 'TARGET_UNREACHABLE',
  );
});

test('what is not a URL, or not HTTP, is a usage error', async () => {
  for (const url of ['127.0.0.1:80', 'not a url', 'ftp://127.0.0.1/']) {
    await assert.rejects(
      load({ url }),
      (error) => error instanceof ScratchpadError && error.code === 'BAD_FLAG',
    );
  }
});
