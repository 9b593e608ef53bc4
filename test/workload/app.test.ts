/** What of the app cannot be seen or forced from outside: failures of the database, time, logs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LibsqlError } from '@libsql/core/api';
import { form, json, makeApp, NOON } from './make-app.ts';

const failing = (code: string) =>
  makeApp({
    store: (real) => ({
      ...real,
      create: () => Promise.reject(new LibsqlError('secret detail', code)),
      summaries: () => Promise.reject(new Error('secret detail')),
      schemaVersion: () => Promise.reject(new LibsqlError('secret detail', code)),
    }),
  });

test('a full disk is 507, a busy or broken database 503 with Retry-After, anything else 500', async () => {
  for (const [code, status] of [
    ['SQLITE_FULL', 507],
    ['SQLITE_BUSY', 503],
    ['SQLITE_IOERR_WRITE', 503],
    ['SQLITE_READONLY', 503],
    ['SQLITE_ERROR', 500],
  ] as const) {
    const { app, logged } = await failing(code);
    const page = await app.request('/create', form({ title: 'x', content: '' }));
    assert.equal(page.status, status, code);
    assert.equal(page.headers.get('retry-after'), status === 503 ? '1' : null);
    assert.ok(!(await page.text()).includes('secret'));
    const api = await app.request('/api/posts', json('POST', { title: 'x' }));
    assert.equal(api.status, status);
    assert.equal(api.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    assert.ok(!(await api.text()).includes('secret'));
    const errors = logged.filter(({ event }) => event === 'error');
    assert.equal(errors.length, 2);
    assert.match(
      String(errors[0]!['error']),
      /secret detail/,
      'the log has what the client has not',
    );
    assert.equal(errors[0]!['id'], page.headers.get('x-request-id'));
  }
});

test('an unexpected error is a page without a stack, with the request id to ask about', async () => {
  const { app } = await failing('SQLITE_ERROR');
  const reply = await app.request('/');
  const text = await reply.text();
  assert.equal(reply.status, 500);
  assert.ok(text.includes(reply.headers.get('x-request-id')!));
  assert.ok(!/secret|\bat /.test(text));
  assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
});

test('/readyz is 503 without a database and while draining; /livez is not', async () => {
  const broken = await failing('SQLITE_CANTOPEN');
  const reply = await broken.app.request('/readyz');
  assert.equal(reply.status, 503);
  assert.deepEqual(
    { ...((await reply.json()) as object), startedAt: null },
    {
      status: 'database-unavailable',
      nonce: 'n',
      schemaVersion: null,
      handled: 0,
      runtime: 'node',
      runtimeVersion: 'test',
      pid: 1,
      startedAt: null,
      host: { bootId: null, hostname: null, kernel: null },
    },
  );
  assert.equal((await broken.app.request('/livez')).status, 200);

  const draining = await makeApp({ platform: { isDraining: () => true } });
  const drained = await draining.app.request('/readyz');
  assert.equal(drained.status, 503);
  assert.equal(((await drained.json()) as { status: string }).status, 'draining');
});

test('handled counts a request that is still open', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { app } = await makeApp({
    store: (real) => ({ ...real, summaries: (query) => held.then(() => real.summaries(query)) }),
  });
  const open = app.request('/');
  const { handled } = (await (await app.request('/readyz')).json()) as { handled: number };
  assert.equal(handled, 1);
  release();
  assert.equal((await open).status, 200);
});

test('pages tell the age of a post, the API its moment', async () => {
  const { app, clock } = await makeApp();
  await app.request('/create', form({ title: 'Old', content: '' }));
  clock.advance(3 * 3_600_000 + 1);
  const text = await (await app.request('/')).text();
  assert.ok(
    text.includes(
      '<time datetime="2026-01-02T12:00:00Z">2026-01-02 12:00:00 UTC &middot; 3 hours ago</time>',
    ),
  );
  const { posts } = (await (await app.request('/api/posts')).json()) as {
    posts: Array<{ created: string }>;
  };
  assert.equal(Date.parse(posts[0]!.created), NOON);
});

test('the log has one line a request, with the path but not the query or the body', async () => {
  const { app, logged } = await makeApp();
  await app.request('/?q=private', { headers: { 'x-request-id': 'abc' } });
  await app.request('/create', form({ title: '', content: 'private' }));
  assert.deepEqual(
    logged.map(({ event, id, method, path, status, durationMs }) => ({
      event,
      ...(id === 'abc' ? { id } : {}),
      method,
      path,
      status,
      durationMs,
    })),
    [
      { event: 'request', id: 'abc', method: 'GET', path: '/', status: 200, durationMs: 0 },
      { event: 'request', method: 'POST', path: '/create', status: 200, durationMs: 0 },
    ],
  );
});

test('Server-Timing has the database and the total, and can be left out', async () => {
  const timed = await makeApp();
  const reply = await timed.app.request('/');
  assert.match(reply.headers.get('server-timing')!, /^db;dur=[\d.]+, total;dur=[\d.]+$/);
  const silent = await makeApp({ config: { serverTiming: false } });
  assert.equal((await silent.app.request('/')).headers.get('server-timing'), null);
});

test('behind TLS the cookie is Secure and bound to the host', async () => {
  const { app, db } = await makeApp({ config: { https: true } });
  const { id } = await db.create({ title: 'Gone', content: '', created: '2026-01-02 12:00:00' });
  const reply = await app.request(`/${id}/delete`, { method: 'POST' });
  const cookie = reply.headers.get('set-cookie')!;
  assert.match(cookie, /^__Host-flash=.*; Path=\/;.*; Secure$/);
  const next = await app.request('/', { headers: { cookie: cookie.split(';')[0]! } });
  assert.ok((await next.text()).includes('&quot;Gone&quot; was successfully deleted!'));
  assert.match(next.headers.get('set-cookie')!, /^__Host-flash=; .*Max-Age=0/);
});

test('a cookie that is not ours is no message', async () => {
  const { app } = await makeApp();
  for (const cookie of [
    'flash=deleted.%%%',
    'flash=deleted._w',
    'flash=hello',
    'xflash=deleted.aGk',
  ]) {
    const reply = await app.request('/', { headers: { cookie } });
    assert.ok(!(await reply.text()).includes('was successfully deleted'), cookie);
    assert.equal(reply.headers.get('set-cookie'), null);
  }
});
