/** What a workload says is wrong with it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readAilment } from '../../cli/probe/control.ts';

async function answering(t: TestContext, status: number, body: string): Promise<string> {
  const server = createServer((request, response) => {
    assert.equal(request.url, '/readyz');
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test('a workload that is ready has none', async (t) => {
  assert.equal(await readAilment(await answering(t, 200, '{"status":"ready"}')), null);
});

test('status and code are told as the workload has them', async (t) => {
  const full = '{"status":"not-writable","code":"DISK_FULL"}';
  assert.equal(
    await readAilment(await answering(t, 507, full)),
    '/readyz answers 507: not-writable, DISK_FULL',
  );
});

test('an answer that is not ours is told by its number', async (t) => {
  assert.equal(await readAilment(await answering(t, 503, '<html>')), '/readyz answers 503');
  assert.equal(await readAilment(await answering(t, 503, '{"code":5}')), '/readyz answers 503');
});

test('no answer says nothing', async (t) => {
  const url = await answering(t, 200, '{}');
  assert.equal(await readAilment(url.replace(/\d+\/$/, '1/')), null);
});
