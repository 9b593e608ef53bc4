/**
 * Hostile requests, from a seed: paths, encodings, heads, bodies, cut, split and slow. Afterwards
 * the server lives, has answered nothing with 5xx, and holds exactly what it acknowledged.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { exchange } from './raw.ts';

export interface FuzzOptions {
  requests: number;
  /** Same seed, same requests. Default: a new one, printed. */
  seed?: number;
  /** The runtime's parser says 505 to a version or a line end that it does not know. */
  parserSays505?: boolean;
  skip?: string | false;
}

/** mulberry32: small, fast, good enough to choose payloads. */
function generator(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return { below, pick: <T>(items: readonly T[]): T => items[below(items.length)]! };
}

type Random = ReturnType<typeof generator>;

const TEXTS = [
  '',
  ' ',
  'plain',
  '<script>alert(1)</script>',
  '"\'`<>&',
  "'; DROP TABLE posts; --",
  '%00%0d%0a',
  '\u0000',
  '\r\nSet-Cookie: a=b',
  '漢字 🦕 ñ',
  '\u202Ertl',
  'a'.repeat(299),
  'b'.repeat(301),
  '%',
  '%zz',
  '%c3%28',
  '../../etc/passwd',
  '{{7*7}}',
  '\ufeffbom',
  '-1',
  '1e309',
  'NaN',
  '[object Object]',
  '__proto__',
];
const PATHS = [
  '/',
  '/create',
  '/1/edit',
  '/1/delete',
  '/api/posts',
  '/api/posts/1',
  '/livez',
  '/readyz',
  '/api/openapi.json',
  '/%00',
  '/%ff',
  '/..',
  '/../../etc/passwd',
  '//evil.example/',
  '/%2e%2e/',
  '/api//posts',
  '/api/posts/',
  '/1/',
  '/99999999999999999999999',
  '/0x10',
  '/-1',
  '/1.5',
  '/1e3',
  '/%31',
  '/?before=',
  '/?after=x',
  '/?before=1&before=2',
  '/api/posts?limit=0',
  '/api/posts?limit=999999999999999999999',
  '/api/posts?after=%00',
  '/?%',
  '/?=',
  '/?a[]=1',
  '/\\',
  '/;x',
  '/:id',
  '/*',
  '/constructor',
  '/__proto__',
  '*',
  '',
  'create',
  'http://evil.example/',
  'http://[::1',
  '/#x',
];
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'get',
  'G@T',
  '',
];
const TYPES = [
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'text/plain',
  'application/json; charset=utf-16',
  'APPLICATION/JSON',
  '',
  ';',
  'a/b'.repeat(50),
];
const HEADERS = [
  'Cookie: flash=deleted.%%%',
  'Cookie: flash=deleted._w',
  `Cookie: ${'a=b; '.repeat(200)}`,
  'Origin: null',
  'Origin: https://evil.example',
  'Sec-Fetch-Site: cross-site',
  'X-Request-Id: \u00ff\u00fe',
  `X-Request-Id: ${'x'.repeat(200)}`,
  'Expect: 100-continue',
  'Expect: nonsense',
  'Content-Encoding: gzip',
  'Accept: \u0001',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Range: bytes=0-',
  'If-None-Match: *',
  'Transfer-Encoding: chunked',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Broken header',
  ': empty',
  `X-Long: ${'y'.repeat(9000)}`,
  'Host: second.example',
  'X-Forwarded-Proto: https',
  '__proto__: x',
  'constructor: y',
];
const BODIES = [
  '',
  '{',
  '{}',
  '[]',
  'null',
  '"x"',
  '{"title":1}',
  '{"title":{"a":1}}',
  '{"title":"\\ud800"}',
  `{"a":${'['.repeat(5000)}`,
  '{"__proto__":{"title":"p"}}',
  'title=',
  'title=%',
  'title=%ff%fe',
  '=&=&=',
  '&'.repeat(2000),
  `title=${'%41'.repeat(200)}&content=`,
  '--x\r\n',
  '--x--',
  '5\r\nhello\r\n0\r\n\r\n',
  '--x\r\nContent-Disposition: form-data; name="title"; filename="f"\r\n\r\nfile\r\n--x--\r\n',
  '\u0000\u0001\u0002',
  '\x1f\x8b\x08\x00',
  'a'.repeat(20_000),
];

/** One request as bytes, most of them wrong in some way. No `DELETE` or edit meets a real post. */
function hostile(random: Random): Buffer {
  // Half of them are sound in all but their content, so that they get past the parser.
  const sound = random.below(2) === 0;
  const method = sound ? random.pick(['GET', 'POST', 'PUT']) : random.pick(METHODS);
  let path = random.pick(PATHS);
  if (random.below(4) === 0) path += encodeURIComponent(random.pick(TEXTS).toWellFormed());
  // Ids that exist are the sentinels' alone: writes go to where nothing is.
  path = path.replace(/^\/(api\/posts\/)?1\b/, '/$1777000111').replace('%31', '%37');
  const lines = [
    `${method} ${path} HTTP/${random.below(12) === 0 ? random.pick(['1.0', '2.0', 'x']) : '1.1'}`,
  ];
  if (random.below(20) > 0)
    lines.push(`Host: ${random.pick(['x', 'evil.example', '127.0.0.1:1', 'a b', '[::1]', ''])}`);
  if (random.below(3) > 0) lines.push(`Content-Type: ${random.pick(TYPES)}`);
  for (let i = sound ? 0 : random.below(4); i > 0; i--) lines.push(random.pick(HEADERS));
  let body = random.below(2) === 0 ? random.pick(BODIES) : '';
  if (random.below(6) === 0) body += random.pick(TEXTS);
  // A hostile body that happens to be a valid post would be stored under a name of its own.
  const bytes = Buffer.from(body, 'utf8');
  if (random.below(5) > 0)
    lines.push(`Content-Length: ${bytes.length + (sound ? 0 : random.pick([0, 0, 0, -1, 1]))}`);
  lines.push('Connection: close');
  const head = Buffer.from(
    `${lines.join(!sound && random.below(4) === 0 ? '\n' : '\r\n')}\r\n\r\n`,
    'latin1',
  );
  return Buffer.concat([head, bytes]);
}

/** Whole, in two pieces, byte by byte at its start, or cut off. */
function pieces(request: Buffer, random: Random): Uint8Array[] {
  switch (random.below(8)) {
    case 0: {
      const at = 1 + random.below(request.length);
      return [request.subarray(0, at), request.subarray(at)];
    }
    case 1: {
      const bytes: Uint8Array[] = [...request.subarray(0, 40)].map((byte) => Uint8Array.of(byte));
      return [...bytes, request.subarray(40)];
    }
    case 2:
      return [request.subarray(0, random.below(request.length))];
    default:
      return [request];
  }
}

export function fuzz(name: string, getUrl: () => string, options: FuzzOptions): void {
  const { requests, seed = randomInt(2 ** 31), parserSays505 = false, skip = false } = options;
  describe(`${name} withstands hostile requests`, { skip }, () => {
    test(`${requests} of them, seed ${seed}`, async () => {
      const url = getUrl();
      const expected = new Map<number, { title: string; content: string }>();
      // A connection of its own for each: one that is kept may be closed just as it is used again,
      // which is the server's right and no lost answer.
      const ask = (path: string, init: { method?: string; body?: string } = {}) =>
        fetch(new URL(path, url), {
          ...init,
          headers: { 'content-type': 'application/json', connection: 'close' },
        });
      const store = async (title: string, content: string): Promise<void> => {
        const reply = await ask('/api/posts', {
          method: 'POST',
          body: JSON.stringify({ title, content }),
        });
        const body = (await reply.json()) as { id: number };
        if (reply.status === 201) expected.set(body.id, { title, content });
        else assert.equal(reply.status, 422);
      };
      await store('Sentinel', 'untouched');

      const bad: string[] = [];
      let sent = 0;
      const statuses = new Map<number | null, number>();
      const worker = async (number: number): Promise<void> => {
        const random = generator(seed + number * 7919);
        while (sent < requests) {
          sent++;
          if (random.below(50) === 0) {
            await store(random.pick(TEXTS), random.pick(TEXTS));
            continue;
          }
          const request = hostile(random);
          // A cut or mis-sized request gets no answer: a moment is enough to see that.
          const reply = await exchange(url, pieces(request, random), { timeoutMs: 150 });
          statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
          const isRefusal = parserSays505 && reply.status === 505;
          if (reply.status !== null && reply.status >= 500 && !isRefusal) {
            bad.push(
              `${reply.status} for ${JSON.stringify(request.toString('latin1').slice(0, 300))}`,
            );
          }
        }
      };
      await Promise.all(Array.from({ length: 16 }, (_, number) => worker(number)));

      assert.deepEqual(bad, []);
      const seen = JSON.stringify([...statuses]);
      assert.ok((statuses.get(200) ?? 0) > requests / 50, `few reached a page: ${seen}`);
      assert.ok((statuses.get(400) ?? 0) > requests / 50, `few were refused: ${seen}`);
      assert.equal((await ask('/livez')).status, 200);
      assert.equal((await ask('/')).status, 200);
      for (const [id, { title, content }] of expected) {
        const post = (await (await ask(`/api/posts/${id}`)).json()) as {
          title: string;
          content: string;
        };
        assert.equal(post.title, title);
        assert.equal(post.content, content);
        const page = await ask(`/${id}`);
        assert.equal(page.status, 200);
        assert.ok(!(await page.text()).includes('<script'));
      }
    });
  });
}
