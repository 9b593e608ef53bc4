/**
 * The contract of the scratch pad, over HTTP: what every target and every runtime has to do. It is
 * given a URL, knows nothing of the server behind it, and sends what curl or a script would send.
 * The database may hold posts already; what the tests make, they remove.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { exchange, statusesOf } from './raw.ts';

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

export interface ContractOptions {
  /** The nonce that the deployment was given; null: none. */
  nonce?: string | null;
  skip?: string | false;
}

type Send = (
  method: string,
  path: string,
  options?: { headers?: Record<string, string>; body?: string | URLSearchParams },
) => Promise<Reply>;

/** `getUrl` is called when the tests run, so that a `before` hook may start the server. */
export function contract(
  name: string,
  getUrl: () => string,
  { nonce, skip = false }: ContractOptions = {},
): void {
  const send: Send = async (method, path, { headers = {}, body } = {}) => {
    const response = await fetch(new URL(path, getUrl()), {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: 'manual',
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const form = (fields: Record<string, string>) => ({ body: new URLSearchParams(fields) });
  const json = (value: unknown) => ({
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(value),
  });
  /** A title that no other post has. */
  const unique = (text: string) => `${text} ${randomUUID()}`;
  const created = async (fields: { title: string; content?: string }): Promise<number> => {
    const reply = await send('POST', '/api/posts', json(fields));
    assert.equal(reply.status, 201, reply.text);
    return (JSON.parse(reply.text) as { id: number }).id;
  };
  const removed = (id: number) => send('DELETE', `/api/posts/${id}`);

  describe(`${name} keeps the contract`, { skip }, () => {
    test('a client that knows only the predecessor creates, reads, edits and deletes a post', async () => {
      const title = unique('From curl');
      const create = await send('POST', '/create', form({ title, content: 'written by hand' }));
      assert.equal(create.status, 302);
      assert.equal(new URL(create.headers.get('location')!, getUrl()).pathname, '/');

      const index = await send('GET', '/');
      assert.equal(index.status, 200);
      const found = new RegExp(`href="/(\\d+)">${title}</a>`).exec(index.text);
      assert.ok(found, 'the new post is on the first page of the index, with a link to it');
      const id = found[1]!;

      const read = await send('GET', `/${id}`);
      assert.equal(read.status, 200);
      assert.ok(read.text.includes(title) && read.text.includes('written by hand'));

      const edit = await send('GET', `/${id}/edit`);
      assert.ok(edit.text.includes('name="title"') && edit.text.includes(`value="${title}"`));
      assert.match(edit.text, /<textarea[^>]*name="content"[^>]*>\nwritten by hand<\/textarea>/);

      const better = unique('Edited');
      const saved = await send('POST', `/${id}/edit`, form({ title: better, content: 'anew' }));
      assert.equal(saved.status, 302);
      const again = await send('GET', `/${id}`);
      assert.ok(again.text.includes(better) && again.text.includes('anew'));
      assert.ok(!again.text.includes(title));

      const gone = await send('POST', `/${id}/delete`);
      assert.equal(gone.status, 302);
      assert.equal(new URL(gone.headers.get('location')!, getUrl()).pathname, '/');
      const cookie = gone.headers.getSetCookie()[0]!.split(';')[0]!;
      const after = await send('GET', '/', { headers: { cookie } });
      assert.ok(
        after.text.includes(`&quot;${better}&quot; was successfully deleted!`),
        'the next page says what was deleted',
      );
      assert.match(after.headers.getSetCookie()[0]!, /Max-Age=0/, 'and says it only once');
      assert.equal((await send('GET', `/${id}`)).status, 404);
    });

    test('every page has the navigation bar and the name of the app', async () => {
      for (const path of ['/', '/create', '/999999999']) {
        const { text, headers } = await send('GET', path);
        assert.match(headers.get('content-type')!, /^text\/html; ?charset=utf-8$/i);
        assert.ok(text.startsWith('<!doctype html>'));
        assert.match(text, /<nav[^>]*>[\s\S]*My Scratch Pad[\s\S]*href="\/create"[\s\S]*<\/nav>/);
      }
    });

    test('a post without a title comes back as it was typed, with "Title is required!"', async () => {
      const content = unique('typed with care');
      for (const title of ['', '   ']) {
        const reply = await send('POST', '/create', form({ title, content }));
        assert.equal(reply.status, 200);
        assert.ok(reply.text.includes('Title is required!'));
        assert.ok(reply.text.includes(content));
      }
      const id = await created({ title: unique('Stays') });
      const reply = await send('POST', `/${id}/edit`, form({ title: '', content }));
      assert.equal(reply.status, 200);
      assert.ok(reply.text.includes('Title is required!') && reply.text.includes(content));
      const post = JSON.parse((await send('GET', `/api/posts/${id}`)).text) as { title: string };
      assert.match(post.title, /^Stays/, 'nothing was changed');
      await removed(id);
    });

    test('multipart forms are taken as well', async () => {
      const title = unique('Multipart ü');
      const boundary = 'xYzZY';
      const part = (field: string, value: string) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`;
      const reply = await send('POST', '/create', {
        headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
        body: `${part('title', title)}${part('content', 'in parts')}--${boundary}--\r\n`,
      });
      assert.equal(reply.status, 302, reply.text);
      const { posts } = JSON.parse((await send('GET', '/api/posts?limit=1')).text);
      assert.equal(posts[0].title, title);
      await removed(posts[0].id);
    });

    test('an unknown post and an unknown address are 404', async () => {
      const paths = ['/999999999', '/999999999/edit', '/0', '/99999999999999999999', '/nowhere'];
      for (const path of paths) {
        const reply = await send('GET', path);
        assert.equal(reply.status, 404, path);
        assert.match(reply.text, /Not found/);
      }
      assert.equal((await send('POST', '/999999999/delete')).status, 404);
      const edit = await send('POST', '/999999999/edit', form({ title: 'x', content: '' }));
      assert.equal(edit.status, 404);
    });

    test('what users type is shown as text, to the character', async () => {
      const nasty = `<script>alert(1)</script> & "quotes" 'n \`ticks\` ${randomUUID()} 漢字 🦕`;
      const reply = await send('POST', '/create', form({ title: nasty, content: `\n${nasty}` }));
      assert.equal(reply.status, 302);
      const { posts } = JSON.parse((await send('GET', '/api/posts?limit=1')).text);
      assert.equal(posts[0].title, nasty);
      assert.equal(posts[0].content, `\n${nasty}`);
      for (const path of ['/', `/${posts[0].id}`, `/${posts[0].id}/edit`]) {
        const { text } = await send('GET', path);
        assert.ok(!text.includes('<script>'), path);
        assert.ok(text.includes('&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot;'));
      }
      await removed(posts[0].id);
    });

    test('the index has 20 posts a page, and its links walk through all of them and back', async () => {
      const mark = randomUUID();
      const ids: number[] = [];
      for (let i = 0; i < 45; i++) ids.push(await created({ title: `Page ${mark} ${i}` }));
      const shown = (text: string) =>
        [...text.matchAll(/<h2><a href="\/(\d+)">/g)].map((m) => +m[1]!);
      const link = (text: string, rel: string) =>
        new RegExp(`rel="${rel}" href="([^"]+)"`).exec(text)?.[1];

      const pages: string[] = [(await send('GET', '/')).text];
      while (pages.length < 3) {
        const next = link(pages.at(-1)!, 'next');
        assert.ok(next, `page ${pages.length} links to older posts`);
        pages.push((await send('GET', next)).text);
      }
      const newestFirst = ids.toReversed();
      assert.deepEqual(shown(pages[0]!), newestFirst.slice(0, 20));
      assert.deepEqual(shown(pages[1]!), newestFirst.slice(20, 40));
      assert.deepEqual(shown(pages[2]!).slice(0, 5), newestFirst.slice(40));
      assert.equal(link(pages[0]!, 'prev'), undefined, 'nothing is newer than the first page');
      const back = (await send('GET', link(pages[2]!, 'prev')!)).text;
      assert.deepEqual(shown(back), shown(pages[1]!));
      const first = (await send('GET', link(back, 'prev')!)).text;
      assert.deepEqual(shown(first), shown(pages[0]!));
      for (const id of ids) await removed(id);
    });

    test('a cursor that is no id is the first page, one that is older than all posts says so', async () => {
      const id = await created({ title: unique('First page') });
      const shown = async (path: string) => {
        const { status, text } = await send('GET', path);
        assert.equal(status, 200, path);
        return [...text.matchAll(/<h2><a href="\/(\d+)">/g)].map((match) => match[1]);
      };
      const first = await shown('/');
      for (const value of [
        'TEXT',
        '-1',
        '1e999',
        '',
        '%00',
        '%FF',
        '9'.repeat(40),
        '1;DROP',
        '0x1',
      ]) {
        for (const name of ['before', 'after']) {
          assert.deepEqual(await shown(`/?${name}=${value}`), first, `${name}=${value}`);
        }
      }
      const { status, text } = await send('GET', '/?before=0');
      assert.equal(status, 200);
      assert.ok(text.includes('No post is older') && !text.includes('Nothing here yet'));
      await removed(id);
    });

    test('a character of a title is a code point: 300 emoji are a title, 301 are none', async () => {
      const title = '🦕'.repeat(300);
      const reply = await send('POST', '/api/posts', json({ title }));
      assert.equal(reply.status, 201, reply.text);
      const { id } = JSON.parse(reply.text) as { id: number };
      const saved = await send('POST', `/${id}/edit`, form({ title, content: '' }));
      assert.equal(saved.status, 302);
      const longer = await send('POST', '/api/posts', json({ title: `${title}🦕` }));
      assert.equal(longer.status, 422);
      assert.match(longer.text, /this one has 301/);
      const back = await send('POST', '/create', form({ title: `${title}🦕`, content: '' }));
      assert.ok(back.status === 200 && back.text.includes('this one has 301'));
      await removed(id);
    });

    test('the API creates, reads, replaces, changes and deletes', async () => {
      const title = unique('By API');
      const reply = await send('POST', '/api/posts', json({ title, content: 'one' }));
      assert.equal(reply.status, 201);
      assert.match(reply.headers.get('content-type')!, /^application\/json/);
      const post = JSON.parse(reply.text);
      assert.equal(reply.headers.get('location'), `/api/posts/${post.id}`);
      assert.deepEqual(
        { ...post, created: null },
        { id: post.id, created: null, title, content: 'one' },
      );
      assert.match(post.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

      const path = `/api/posts/${post.id}`;
      assert.deepEqual(JSON.parse((await send('GET', path)).text), post);
      const put = await send('PUT', path, json({ title: `${title}!`, content: 'two' }));
      assert.equal(put.status, 200);
      assert.deepEqual(JSON.parse(put.text), { ...post, title: `${title}!`, content: 'two' });
      const patch = await send('PATCH', path, json({ content: 'three' }));
      assert.deepEqual(JSON.parse(patch.text), { ...post, title: `${title}!`, content: 'three' });
      assert.deepEqual(JSON.parse((await send('GET', path)).text), JSON.parse(patch.text));
      const gone = await send('DELETE', path);
      assert.equal(gone.status, 204);
      assert.equal(gone.text, '');
      for (const method of ['GET', 'DELETE']) assert.equal((await send(method, path)).status, 404);
      assert.equal((await send('PATCH', path, json({ content: 'x' }))).status, 404);
    });

    test('the API lists by key: pages do not shift when a post is added', async () => {
      const ids: number[] = [];
      for (let i = 0; i < 5; i++) ids.push(await created({ title: unique(`Key ${i}`) }));
      const first = await send('GET', '/api/posts?limit=2');
      const one = JSON.parse(first.text);
      assert.deepEqual(
        one.posts.map((post: { id: number }) => post.id),
        [ids[4], ids[3]],
      );
      assert.equal(first.headers.get('link'), `<${one.next}>; rel="next"`);
      ids.push(await created({ title: unique('Key late') }));
      const two = JSON.parse((await send('GET', one.next)).text);
      assert.deepEqual(
        two.posts.map((post: { id: number }) => post.id),
        [ids[2], ids[1]],
      );
      for (const id of ids) await removed(id);
      for (const query of [
        'limit=0',
        'limit=101',
        'limit=x',
        'limit=1e1',
        'limit=%FF',
        'after=-1',
        'after=TEXT',
        'after=99999999999999999999',
      ]) {
        const reply = await send('GET', `/api/posts?${query}`);
        assert.equal(reply.status, 400, query);
        const { errors } = JSON.parse(reply.text) as { errors: Array<{ field: string }> };
        assert.deepEqual(
          errors.map(({ field }) => field),
          [query.split('=')[0]],
        );
      }
    });

    test('faults of the API are problem documents that name the field', async () => {
      const cases: Array<[Promise<Reply>, number, RegExp]> = [
        [send('POST', '/api/posts', json({ content: 'x' })), 422, /Title is required!/],
        [send('POST', '/api/posts', json({ title: '' })), 422, /Title is required!/],
        [send('POST', '/api/posts', json({ title: 7 })), 422, /title must be a string/],
        [send('POST', '/api/posts', json({ title: 'x'.repeat(301) })), 422, /300 characters/],
        [send('POST', '/api/posts', json([])), 400, /JSON object/],
        [send('POST', '/api/posts', json('x')), 400, /JSON object/],
        [
          send('POST', '/api/posts', {
            headers: { 'content-type': 'application/json' },
            body: '{',
          }),
          400,
          /not valid JSON/,
        ],
        [send('POST', '/api/posts', form({ title: 'x' })), 415, /application\/json/],
        [send('GET', '/api/posts/999999999'), 404, /no such post/],
        [send('GET', '/api/nothing'), 404, /nothing at this address/],
        [send('PATCH', '/api/posts'), 405, /GET, HEAD, POST/],
      ];
      for (const [reply, status, detail] of cases) {
        const { status: actual, headers, text } = await reply;
        assert.equal(actual, status, text);
        assert.match(headers.get('content-type')!, /^application\/problem\+json/);
        const problem = JSON.parse(text);
        assert.equal(problem.status, status);
        assert.match(problem.detail, detail);
        assert.ok(problem.title.length > 0);
      }
    });

    test('a write that has no body and declares none is answered at once, and the next request too', async () => {
      const write = (path: string, type: string) =>
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n\r\n`;
      const behind = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
      for (const [request, status] of [
        [write('/create', 'application/x-www-form-urlencoded'), 200],
        [write('/create', 'multipart/form-data; boundary=x'), 400],
        [write('/api/posts', 'application/json'), 400],
      ] as const) {
        const reply = await exchange(getUrl(), [request, behind], { pauseMs: 50 });
        const statuses = statusesOf(reply).map(Number);
        assert.deepEqual([statuses, reply.end], [[status, 200], 'closed'], request);
      }
    });

    test('a method that an address does not take is 405 and says which it takes', async () => {
      for (const [method, path, allow] of [
        ['POST', '/', 'GET, HEAD'],
        ['GET', '/1/delete', 'POST'],
        ['PUT', '/create', 'GET, HEAD, POST'],
        ['PATCH', '/1', 'GET, HEAD'],
        ['POST', '/api/posts/1', 'GET, HEAD, PUT, PATCH, DELETE'],
        // A slash at the end changes nothing: what is found with one method is known to the others.
        ['PUT', '/create/', 'GET, HEAD, POST'],
        ['HEAD', '/1/delete', 'POST'],
        ['PUT', '/livez', 'GET, HEAD'],
        ['DELETE', '/api/openapi.json', 'GET, HEAD'],
      ] as const) {
        const reply = await send(method, path);
        assert.equal(reply.status, 405, `${method} ${path}`);
        assert.equal(reply.headers.get('allow'), allow);
        const options = await send('OPTIONS', path);
        assert.equal(options.status, 204, `OPTIONS ${path}`);
        assert.equal(options.headers.get('allow'), allow);
      }
      const style = /href="(\/assets\/[^"]+\.css)"/.exec((await send('GET', '/')).text)![1]!;
      assert.equal((await send('POST', style)).headers.get('allow'), 'GET, HEAD');
      for (const method of ['GET', 'PUT', 'OPTIONS', 'DELETE']) {
        assert.equal((await send(method, '/nowhere')).status, 404, method);
      }
    });

    test('HEAD answers like GET, without the body', async () => {
      for (const path of ['/', '/create', '/999999999', '/api/posts', '/livez']) {
        const [head, get] = [await send('HEAD', path), await send('GET', path)];
        assert.equal(head.status, get.status, path);
        assert.equal(head.headers.get('content-type'), get.headers.get('content-type'));
        // The length of what GET would bring, or none.
        const bytes = head.headers.get('content-length');
        if (bytes !== null) assert.equal(Number(bytes), Buffer.byteLength(get.text), path);
        assert.equal(head.text, '');
      }
    });

    test('/livez answers, /readyz says who it is', async () => {
      assert.equal((await send('GET', '/livez')).status, 200);
      const reply = await send('GET', '/readyz');
      assert.equal(reply.status, 200, reply.text);
      const body = JSON.parse(reply.text);
      assert.equal(body.status, 'ready');
      if (nonce !== undefined) assert.equal(body.nonce, nonce);
      assert.ok(Number.isInteger(body.schemaVersion) && body.schemaVersion >= 1);
      assert.ok(['node', 'deno', 'bun', 'workerd'].includes(body.runtime));
      assert.ok(['normal', 'full', null].includes(body.synchronous), String(body.synchronous));
      assert.equal(reply.headers.get('cache-control'), 'no-store');
    });

    test('the counter of handled requests grows by exactly those sent, whatever their answer', async () => {
      const handled = async () => JSON.parse((await send('GET', '/readyz')).text).handled as number;
      const before = await handled();
      await send('GET', '/');
      await send('GET', '/nowhere');
      await send('PUT', '/');
      await send('HEAD', '/create');
      await send('POST', '/api/posts', {
        headers: { 'content-type': 'application/json' },
        body: '{',
      });
      await send('POST', '/create', {
        headers: { origin: 'https://evil.example' },
        ...form({ title: 'x' }),
      });
      await send('GET', '/livez');
      await send('GET', '/readyz');
      assert.equal((await handled()) - before, 6);
    });

    test('a request id is given, and the client’s own is kept', async () => {
      const first = (await send('GET', '/')).headers.get('x-request-id');
      const second = (await send('GET', '/')).headers.get('x-request-id');
      assert.ok(first && second && first !== second);
      const own = await send('GET', '/', { headers: { 'x-request-id': 'trace-7.a_b' } });
      assert.equal(own.headers.get('x-request-id'), 'trace-7.a_b');
      const odd = await send('GET', '/', { headers: { 'x-request-id': 'a b<c>' } });
      assert.notEqual(odd.headers.get('x-request-id'), 'a b<c>');
    });

    test('parallel writes all arrive', async () => {
      const mark = randomUUID();
      const ids = await Promise.all(
        Array.from({ length: 40 }, (_, i) => created({ title: `Parallel ${mark} ${i}` })),
      );
      assert.equal(new Set(ids).size, 40);
      for (const id of ids) assert.equal((await removed(id)).status, 204);
    });
  });
}
