/** What of the app cannot be seen or forced from outside: failures of the database, time, logs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { LibsqlError } from '@libsql/core/api';
import { DrizzleQueryError } from 'drizzle-orm';
import { openRemote } from '../../workload/db/open-remote.ts';
import { createPostStore } from '../../workload/db/posts.ts';
import { errorFields } from '../../workload/log.ts';
import { doneOnce } from '../../workload/serve/identity.ts';
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
    const { id, method, route, errors: chain, stack } = errors[0]!;
    assert.deepEqual([method, route], ['POST', '/create']);
    assert.deepEqual(chain, [{ name: 'LibsqlError', code }]);
    assert.ok((stack as string[])[0]!.startsWith('at '), 'the log has the place');
    assert.equal(id, page.headers.get('x-request-id'));
  }
});

test('a failure is logged with codes and places, never with what a user typed', async () => {
  const { app, logged } = await makeApp({
    store: (real) => ({
      ...real,
      create: ({ title, content }) => {
        const cause = new LibsqlError(`near "${title}"`, 'SQLITE_ERROR');
        throw new DrizzleQueryError('insert into posts', [title, content], cause);
      },
    }),
  });
  const reply = await app.request(
    '/api/posts',
    json('POST', { title: 'private title', content: 'private\n    at private content' }),
  );
  assert.equal(reply.status, 500);
  const entry = logged.find(({ event }) => event === 'error')!;
  assert.ok(!JSON.stringify(entry).includes('private'), JSON.stringify(entry));
  assert.deepEqual(
    [entry['route'], entry['code'], (entry['errors'] as object[]).at(-1)],
    ['/api/posts', 'INTERNAL_ERROR', { name: 'LibsqlError', code: 'SQLITE_ERROR' }],
  );
  assert.ok((entry['stack'] as string[]).length > 0);
  assert.deepEqual(errorFields('private'), { errors: [{ name: 'string' }], stack: [] });
});

test('a database server that is gone, hangs or answers nonsense is 503, and /readyz says so', async (t) => {
  const serve = async (listener: RequestListener): Promise<string> => {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  await once(gone, 'close');
  const addresses = {
    gone: `http://127.0.0.1:${port}`,
    resets: await serve((request) => request.socket.destroy()),
    hangs: await serve(() => {}),
    'bad gateway': await serve((_, response) => {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
    }),
    'half a reply': await serve((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
      response.write('{"results":[');
      setTimeout(() => request.socket.destroy(), 20);
    }),
  };
  for (const [name, url] of Object.entries(addresses)) {
    const { app } = await makeApp({
      store: () => createPostStore(openRemote({ url, authToken: undefined, timeoutMs: 300 })),
    });
    for (const reply of [
      await app.request('/'),
      await app.request('/create', form({ title: 'x', content: '' })),
    ]) {
      assert.equal(reply.status, 503, name);
      assert.equal(reply.headers.get('retry-after'), '1');
    }
    const api = await app.request('/api/posts');
    assert.equal(api.status, 503, name);
    assert.equal(((await api.json()) as { code: string }).code, 'DATABASE_UNAVAILABLE');
    const ready = await app.request('/readyz');
    assert.equal(ready.status, 503, name);
    assert.equal(ready.headers.get('retry-after'), '1');
    assert.equal(((await ready.json()) as { status: string }).status, 'database-unavailable');
    assert.equal((await app.request('/livez')).status, 200, name);
  }
});

test('what is expensive is done once, however many ask, and again where it failed', async () => {
  let done = 0;
  const ask = doneOnce(async () => {
    done++;
    await new Promise((resolve) => setImmediate(resolve));
    if (done === 1) throw new Error('not this time');
    return done;
  });
  const first = await Promise.allSettled([ask(), ask(), ask()]);
  assert.deepEqual(
    first.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  );
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [2, 2, 2]);
  assert.equal(await ask(), 2);
});

test('text that is not UTF-8 is refused and not stored; a replacement character that was typed is kept', async () => {
  const { app, db } = await makeApp();
  const type = 'application/x-www-form-urlencoded';
  const send = (body: string | Uint8Array<ArrayBuffer>, contentType = type) =>
    app.request('/create', { method: 'POST', headers: { 'content-type': contentType }, body });
  const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  const multipart = (value: string) =>
    `--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n${value}\r\n--x--\r\n`;
  const parts = 'multipart/form-data; boundary=x';
  for (const reply of [
    await send('title=%ff'),
    await send('title=a&content=%e4%b8'),
    await send('title=%ed%a0%80'),
    await send(latin1('title=\xfc')),
    await send(latin1(multipart('\xfc')), parts),
    await app.request('/api/posts', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: latin1('{"title":"\xfc"}'),
    }),
  ]) {
    assert.equal(reply.status, 400);
    assert.match(await reply.text(), /not valid UTF-8/);
  }
  assert.deepEqual((await db.list({ limit: 10 })).posts, []);
  for (const reply of [
    await send('title=%EF%BF%BD%zz'),
    await send('title=\ufffd&content=%41%42'),
    await send(multipart('\ufffd'), parts),
  ]) {
    assert.equal(reply.status, 302);
  }
  assert.deepEqual(
    (await db.list({ limit: 10 })).posts.map(({ title }) => title),
    ['\ufffd', '\ufffd', '\ufffd%zz'],
  );
});

test('a page of long posts ends early, and the next one goes on behind it', async () => {
  const { app, db } = await makeApp();
  for (let i = 1; i <= 25; i++) {
    await db.create({
      title: `Long ${i}`,
      content: 'x'.repeat(100_000),
      created: '2026-01-02 12:00:00',
    });
  }
  const sizes: number[] = [];
  const ids: number[] = [];
  for (let next: string | null = '/api/posts?limit=100'; next !== null; ) {
    const page = (await (await app.request(next)).json()) as {
      posts: Array<{ id: number }>;
      next: string | null;
    };
    sizes.push(page.posts.length);
    ids.push(...page.posts.map(({ id }) => id));
    next = page.next;
  }
  assert.deepEqual(sizes, [10, 10, 5]);
  assert.deepEqual(
    ids,
    Array.from({ length: 25 }, (_, i) => 25 - i),
  );
});

test('an address that is not UTF-8 is 400, one that only is not there 404', async () => {
  const { app } = await makeApp();
  for (const [path, status] of [
    ['/%ff', 400],
    ['/api/%c3%28', 400],
    ['/%zz', 400],
    ['/%e6%bc%a2', 404],
    ['/nowhere?q=%ff', 404],
    ['/create?q=%ff', 200],
  ] as const) {
    assert.equal((await app.request(path)).status, status, path);
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
      synchronous: 'normal',
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
  // Without the prefix any host of the domain can set it, and any page without TLS.
  const planted = cookie.split(';')[0]!.replace('__Host-', '');
  const refused = await app.request('/', { headers: { cookie: planted } });
  assert.ok(!(await refused.text()).includes('was successfully deleted'));
});

test('the cookie of a title of emoji is whole characters and small enough', async () => {
  const { app, db } = await makeApp();
  const title = '🦕'.repeat(300);
  const { id } = await db.create({ title, content: '', created: '2026-01-02 12:00:00' });
  const reply = await app.request(`/${id}/delete`, { method: 'POST' });
  const cookie = reply.headers.get('set-cookie')!;
  assert.ok(cookie.length < 4096);
  const next = await app.request('/', { headers: { cookie: cookie.split(';')[0]! } });
  assert.ok((await next.text()).includes(`&quot;${title}&quot; was successfully deleted!`));
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
