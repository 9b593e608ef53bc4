/** The yardstick of `npm run bench:workload` does the same work: the same pages, byte for byte. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { freePort } from '../../cli/targets/port.ts';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { SECURITY_HEADERS } from '../../workload/http/respond.ts';
import { root, startServer } from '../contract/server.ts';

before(async () => {
  if (!existsSync(join(root, 'dist', 'workload', 'artifact.json'))) await buildWorkload();
});

test('the hand-written peer gives the workload’s pages, under the same security headers', async (t) => {
  const ours = await startServer();
  t.after(() => ours.stop());
  for (let i = 1; i <= 25; i++) {
    const reply = await fetch(new URL('/api/posts', ours.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: `Post <${i}> & "more"`, content: `Text of\n'${i}'` }),
    });
    assert.equal(reply.status, 201);
  }
  const port = await freePort();
  const peer = spawn(
    process.execPath,
    [join(root, 'test/bench/workload/peer-node.mjs'), String(port), join(ours.folder, 'test.db')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(async () => {
    peer.kill('SIGKILL');
    if (peer.exitCode === null && peer.signalCode === null) await once(peer, 'exit');
  });
  await once(peer.stdout, 'data');

  const read = async (base: string, path: string) => {
    const { status, headers, text } = await fetch(new URL(path, base)).then(async (reply) => ({
      status: reply.status,
      headers: reply.headers,
      text: await reply.text(),
    }));
    // The names of assets have the hash of their content in them.
    const body = text.replace(/\/assets\/(style|icon)\.[0-9a-f]+\./g, '/assets/$1.');
    const names = [...Object.keys(SECURITY_HEADERS), 'content-type', 'cache-control'];
    return { status, body, headers: names.map((name) => [name, headers.get(name)]) };
  };
  for (const path of ['/', '/7']) {
    const theirs = await read(`http://127.0.0.1:${port}/`, path);
    assert.deepEqual(await read(ours.url, path), theirs, path);
    assert.equal(theirs.status, 200);
  }
  const body = new URLSearchParams({ title: 'A title', content: 'Some content' });
  for (const base of [ours.url, `http://127.0.0.1:${port}/`]) {
    const reply = await fetch(new URL('/create', base), {
      method: 'POST',
      body,
      redirect: 'manual',
    });
    assert.deepEqual([reply.status, reply.headers.get('location')], [302, '/']);
  }
});
