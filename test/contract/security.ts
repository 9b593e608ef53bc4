/**
 * The security requirements as a table: each row is an item of OWASP ASVS 5.0 (or, where it has
 * none, of ours), with the check that proves it over HTTP. Run against every runtime.
 *
 * Level 1 items that need accounts, sessions, uploads, TLS or a client script have nothing to apply
 * to here: the app has none of these.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { exchange, type RawReply } from './raw.ts';

export interface SecurityOptions {
  /** SCRATCHPAD_REQUEST_TIMEOUT_MS of the server. */
  requestTimeoutMs: number;
  /**
   * What ends a head that comes byte by byte: the server's clock, or, `not offered`, nothing: the
   * runtime has no such clock and no hook for one, and a proxy in front has to.
   */
  slowHeads: 'cut off' | 'not offered';
  /** Behind the 408 for a slow body, Deno reads on until the client ends: no hook closes it. */
  slowBodies: 'cut off' | 'answered';
  /**
   * Whether a 413 reaches a client that reads only when it has sent everything. workerd closes the
   * connection behind it, and the bytes still on their way reset it.
   */
  earlyAnswers: 'arrive' | 'may be reset';
  /** What ends a client that does not take its answers. */
  stalledReaders: 'cut off' | 'not offered';
  /** The runtime's own parser answers what it refuses, without the app's headers. */
  parserHeaders: boolean;
  skip?: string | false;
}

type Send = (
  method: string,
  path: string,
  options?: { headers?: Record<string, string>; body?: string | URLSearchParams },
) => Promise<{ status: number; headers: Headers; text: string }>;

interface Bench {
  send: Send;
  url: string;
  options: SecurityOptions;
  /** Makes a post and gives its id; removed at the end. */
  post(title: string, content?: string): Promise<number>;
  titles(): Promise<string[]>;
}

interface Item {
  /** Chapter and number in ASVS 5.0, or `own`. */
  id: string;
  level: 1 | 2 | 3 | null;
  requirement: string;
  check(bench: Bench): Promise<void>;
}

const JSON_HEADERS = { 'content-type': 'application/json' };
const form = (title: string) => ({ body: new URLSearchParams({ title, content: 'x' }) });
const PAYLOADS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</title><svg/onload=alert(1)>',
  '</textarea><script>alert(1)</script>',
  '{{7*7}}<%= 7*7 %>',
  '&lt;b&gt;',
  'javascript:alert(1)',
];

/** One reply of each kind: pages, redirects, API, errors, assets, health. */
async function everyKind({ send, post }: Bench) {
  const id = await post('Kinds');
  const style = /href="(\/assets\/[^"]+\.css)"/.exec((await send('GET', '/')).text)![1]!;
  return Promise.all([
    send('GET', '/'),
    send('GET', `/${id}`),
    send('GET', `/${id}/edit`),
    send('GET', '/create'),
    send('POST', '/create', form('')),
    send('GET', '/nowhere'),
    send('GET', '/999999999'),
    send('PUT', '/'),
    send('GET', '/api/posts'),
    send('GET', '/api/posts/999999999'),
    send('POST', '/api/posts', { headers: JSON_HEADERS, body: '{' }),
    send('POST', '/create', { headers: { origin: 'https://evil.example' }, ...form('x') }),
    send('GET', style),
    send('GET', '/livez'),
    send('GET', '/readyz'),
  ]);
}

export const ITEMS: Item[] = [
  {
    id: 'V1.2.1',
    level: 1,
    requirement: 'output is encoded for its HTML context, text and attributes alike',
    async check({ send, post }) {
      for (const payload of PAYLOADS) {
        const id = await post(payload, payload);
        for (const path of ['/', `/${id}`, `/${id}/edit`]) {
          const { text } = await send('GET', path);
          assert.ok(!/<(script|img|svg|b)\b/i.test(text), `${path} renders ${payload}`);
          // In the tags, with the quoted values taken out, no handler and no odd quote is left.
          const tags = (text.match(/<[a-z][^<>]*>/gi) ?? []).map((tag) =>
            tag.replace(/"[^"]*"/g, ''),
          );
          assert.ok(
            !/\son\w+=|['"]/i.test(tags.join('')),
            `${path} lets ${payload} out of a value`,
          );
          assert.ok(!/href="javascript:/i.test(text));
        }
        // And the form that was not valid gives back what was typed, as text.
        const again = await send('POST', '/create', {
          body: new URLSearchParams({ title: '', content: payload }),
        });
        assert.ok(!/<(script|img|svg|b)\b/i.test(again.text), `the form renders ${payload}`);
      }
    },
  },
  {
    id: 'V1.2.4',
    level: 1,
    requirement: 'SQL is parameterised: what is typed is never executed',
    async check({ send, post, titles }) {
      const hostile = [`'); DROP TABLE posts; --`, `' OR '1'='1`, `x', (SELECT 1)) --`, '%_\\'];
      const keep = await post('Bystander');
      for (const title of hostile) {
        const id = await post(title);
        assert.equal(JSON.parse((await send('GET', `/api/posts/${id}`)).text).title, title);
      }
      for (const path of [`/${keep} OR 1=1`, `/${keep};DELETE FROM posts`, `/${keep}'`]) {
        assert.equal((await send('GET', encodeURI(path))).status, 404);
      }
      assert.ok((await titles()).includes('Bystander'));
    },
  },
  {
    id: 'V1.3.3',
    level: 2,
    requirement: 'text that cannot be stored or shown faithfully is refused, not mangled',
    async check({ send }) {
      for (const title of ['nul \u0000', 'lone \ud800']) {
        const reply = await send('POST', '/api/posts', {
          headers: JSON_HEADERS,
          body: JSON.stringify({ title }),
        });
        assert.equal(reply.status, 422, JSON.stringify(title));
      }
    },
  },
  {
    id: 'V1.1.1',
    level: 2,
    requirement: 'bytes that are not UTF-8 are refused, in bodies and in addresses',
    async check({ send, url, titles }) {
      const mark = `Mangled ${randomUUID()}`;
      const type = 'Content-Type: application/x-www-form-urlencoded';
      const raw = (path: string, head: string, body: Buffer) =>
        exchange(url, [
          `POST ${path} HTTP/1.1\r\nHost: x\r\n${head}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
          body,
        ]);
      const bytes = (text: string) => Buffer.from(text, 'latin1');
      for (const reply of [
        await raw('/create', type, bytes(`title=${mark}\xff`)),
        await raw('/create', type, bytes(`title=${mark}%ff`)),
        await raw('/api/posts', 'Content-Type: application/json', bytes(`{"title":"${mark}\xff"}`)),
      ]) {
        assert.equal(reply.status, 400, reply.head);
      }
      assert.ok(!(await titles()).some((title) => title.includes(mark)));
      for (const path of ['/%ff', '/%c3%28', '/api/%ff']) {
        assert.equal((await send('GET', path)).status, 400, path);
      }
    },
  },
  {
    id: 'V2.2.1',
    level: 1,
    requirement: 'input is checked for type, length and presence, on the server',
    async check({ send }) {
      for (const body of [
        {},
        { title: null },
        { title: ['x'] },
        { title: { toString: 'x' } },
        { title: 'x'.repeat(301) },
        { title: 'x', content: 'x'.repeat(100_001) },
      ]) {
        const reply = await send('POST', '/api/posts', {
          headers: JSON_HEADERS,
          body: JSON.stringify(body),
        });
        assert.equal(reply.status, 422);
      }
      const long = await send('POST', '/create', form('x'.repeat(301)));
      assert.ok(long.status === 200 && long.text.includes('300 characters'));
    },
  },
  {
    id: 'V3.2.1',
    level: 1,
    requirement: 'the API is never rendered as a document with powers: no sniffing, nothing loads',
    async check({ send }) {
      const { headers } = await send('GET', '/api/posts');
      assert.match(headers.get('content-type')!, /^application\/json/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.match(headers.get('content-security-policy')!, /default-src 'none'/);
    },
  },
  {
    id: 'V3.3.2-5',
    level: 2,
    requirement: 'the cookie is HttpOnly, SameSite, short-lived and under 4,096 bytes',
    async check({ send, post }) {
      const id = await post('漢'.repeat(300));
      const reply = await send('POST', `/${id}/delete`);
      const cookies = reply.headers.getSetCookie();
      assert.equal(cookies.length, 1);
      assert.match(cookies[0]!, /; HttpOnly/);
      assert.match(cookies[0]!, /; SameSite=(Lax|Strict)/);
      assert.match(cookies[0]!, /; Path=\//);
      assert.match(cookies[0]!, /; Max-Age=\d{1,3}(;|$)/);
      assert.ok(cookies[0]!.length < 4096, `${cookies[0]!.length} bytes`);
    },
  },
  {
    id: 'V3.4.1',
    level: 1,
    requirement: 'Strict-Transport-Security on all responses, a year, subdomains included',
    async check(bench) {
      for (const { headers } of await everyKind(bench)) {
        const value = headers.get('strict-transport-security') ?? '';
        assert.ok(Number(/max-age=(\d+)/.exec(value)?.[1]) >= 31_536_000, value);
        assert.match(value, /includeSubDomains/);
      }
    },
  },
  {
    id: 'V3.4.2',
    level: 1,
    requirement: 'no cross-origin leave is given to anyone',
    async check({ send }) {
      for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
        for (const method of ['GET', 'OPTIONS']) {
          const { headers } = await send(method, '/api/posts', {
            headers: { origin, 'access-control-request-method': 'DELETE' },
          });
          assert.equal(headers.get('access-control-allow-origin'), null);
        }
      }
    },
  },
  {
    id: 'V3.4.3',
    level: 2,
    requirement: 'Content-Security-Policy on all responses, without inline script or style',
    async check(bench) {
      for (const { headers } of await everyKind(bench)) {
        const policy = headers.get('content-security-policy') ?? '';
        for (const part of [
          "default-src 'none'",
          "object-src 'none'",
          "base-uri 'none'",
          "form-action 'self'",
        ]) {
          assert.ok(policy.includes(part), `${part} in ${policy}`);
        }
        assert.ok(!/unsafe-|script-src|\*/.test(policy), policy);
      }
      for (const path of ['/', '/create']) {
        assert.ok(!/<script|<style|\sstyle=|\son\w+=/i.test((await bench.send('GET', path)).text));
      }
    },
  },
  {
    id: 'V3.4.4-6',
    level: 2,
    requirement: 'nosniff, referrer policy and frame-ancestors on all responses',
    async check(bench) {
      for (const { headers } of await everyKind(bench)) {
        assert.equal(headers.get('x-content-type-options'), 'nosniff');
        assert.match(
          headers.get('referrer-policy') ?? '',
          /^(same-origin|no-referrer|strict-origin)$/,
        );
        assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
        assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
        assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
      }
    },
  },
  {
    id: 'V3.5.1',
    level: 1,
    requirement: 'a write that a browser sends for another site is refused and does nothing',
    async check({ send, post, titles, url }) {
      const victim = `Victim ${randomUUID()}`;
      const id = await post(victim);
      const foreign: Array<Record<string, string>> = [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: 'not an origin' },
        { origin: `${url.replace(/\/$/, '')}.evil.example` },
        { origin: 'http://127.0.0.1:1' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'cross-site', origin: new URL(url).origin },
      ];
      for (const headers of foreign) {
        const forged = `Forged ${randomUUID()}`;
        const replies = [
          await send('POST', '/create', { headers, ...form(forged) }),
          await send('POST', `/${id}/edit`, { headers, ...form(forged) }),
          await send('POST', `/${id}/delete`, { headers }),
          await send('DELETE', `/api/posts/${id}`, { headers }),
          await send('POST', '/api/posts', {
            headers: { ...headers, ...JSON_HEADERS },
            body: JSON.stringify({ title: forged }),
          }),
        ];
        for (const { status } of replies) assert.equal(status, 403, JSON.stringify(headers));
        const now = await titles();
        assert.ok(now.includes(victim) && !now.includes(forged));
      }
      for (const headers of [
        { origin: new URL(url).origin },
        { 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
      ] as Array<Record<string, string>>) {
        assert.equal((await send('POST', `/${id}/edit`, { headers, ...form(victim) })).status, 302);
      }
    },
  },
  {
    id: 'V3.5.2',
    level: 1,
    requirement: 'the API takes only a content type that a cross-site form cannot send',
    async check({ send, post }) {
      const id = await post('Stays');
      const body = JSON.stringify({ title: 'Forged', content: '' });
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'text/plain;application/json',
        'application/jsonx',
      ]) {
        const headers = { 'content-type': type };
        assert.equal((await send('POST', '/api/posts', { headers, body })).status, 415, type);
        assert.equal((await send('PUT', `/api/posts/${id}`, { headers, body })).status, 415);
        assert.equal((await send('PATCH', `/api/posts/${id}`, { headers, body })).status, 415);
      }
      const plain = { headers: { 'content-type': 'text/plain' }, body: 'title=Forged' };
      assert.equal((await send('POST', '/create', plain)).status, 415);
      assert.equal(JSON.parse((await send('GET', `/api/posts/${id}`)).text).title, 'Stays');
    },
  },
  {
    id: 'V3.5.3',
    level: 1,
    requirement: 'safe methods change nothing',
    async check({ send, post, titles }) {
      const title = `Safe ${randomUUID()}`;
      const id = await post(title);
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        await send(method, `/${id}/delete`);
        await send(method, `/create?title=Forged&content=x`);
        await send(method, `/api/posts/${id}?_method=DELETE`);
        await send(method, `/${id}`, { headers: { 'x-http-method-override': 'DELETE' } });
      }
      const now = await titles();
      assert.ok(now.includes(title) && !now.includes('Forged'));
    },
  },
  {
    id: 'V3.7.2',
    level: 2,
    requirement: 'redirects lead only into the app, whatever the request says',
    async check({ send, url }) {
      for (const [path, headers] of [
        ['/create?next=https://evil.example', {}],
        ['/create', { 'x-forwarded-host': 'evil.example' }],
        ['/create', { referer: 'https://evil.example/' }],
      ] as Array<[string, Record<string, string>]>) {
        const reply = await send('POST', path, { headers, ...form('Redirect') });
        assert.equal(reply.status, 302);
        assert.equal(new URL(reply.headers.get('location')!, url).href, new URL('/', url).href);
      }
    },
  },
  {
    id: 'V4.1.1',
    level: 1,
    requirement: 'every body has its content type, text with its charset',
    async check(bench) {
      for (const { headers, text } of await everyKind(bench)) {
        if (text === '') continue;
        assert.match(
          headers.get('content-type') ?? '',
          /^(text\/(html|css)|application\/(json|problem\+json)); ?charset=utf-8$/i,
        );
      }
    },
  },
  {
    id: 'V4.1.3',
    level: 2,
    requirement: 'headers of intermediaries are not believed',
    async check({ send }) {
      const headers = {
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'evil.example',
        'x-original-url': '/api/posts',
        'x-rewrite-url': '/api/posts',
      };
      const reply = await send('GET', '/create', { headers });
      assert.ok(reply.text.includes('name="title"') && !reply.text.includes('evil.example'));
    },
  },
  {
    id: 'V4.1.4',
    level: 3,
    requirement: 'methods that are not used are refused',
    async check({ send, url }) {
      assert.equal((await send('PROPFIND', '/')).status, 405);
      assert.equal((await send('DELETE', '/create')).status, 405);
      const trace = await exchange(url, [
        'TRACE / HTTP/1.1\r\nHost: x\r\nX-Secret: hush\r\nConnection: close\r\n\r\n',
      ]);
      assert.ok(trace.status === null || trace.status >= 400, `TRACE gave ${trace.status}`);
      assert.ok(!trace.body.includes('hush'));
    },
  },
  {
    id: 'V4.2.1',
    level: 2,
    requirement: 'a request whose length is ambiguous is refused, and nothing of it is smuggled in',
    async check({ url, titles }) {
      const smuggled =
        'POST /api/posts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"title":"Smuggled"}';
      for (const head of [
        'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n',
        'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
        'Content-Length: 4\r\nContent-Length: 99\r\n',
        'Transfer-Encoding: xchunked\r\n',
        'Transfer-Encoding : chunked\r\n',
        'Content-Length: +4\r\n',
      ]) {
        await exchange(
          url,
          [
            `POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n${head}\r\n0\r\n\r\n${smuggled}`,
          ],
          { timeoutMs: 400 },
        );
      }
      assert.ok(!(await titles()).includes('Smuggled'));
    },
  },
  {
    id: 'V4.2.5',
    level: 3,
    requirement: 'heads that are too long are refused, with the same headers as everything else',
    async check({ url, options }) {
      const reply = await exchange(url, [
        `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(600_000)}\r\nConnection: close\r\n\r\n`,
      ]);
      assert.ok(refused(reply), `a head of 600 kB gave ${reply.status}`);
      if (options.parserHeaders) {
        assert.match(reply.head, /x-content-type-options: nosniff/i);
        assert.match(reply.head, /content-security-policy: /i);
      }
    },
  },
  {
    id: 'V3.4.3-6',
    level: 2,
    requirement: 'what the HTTP server refuses by itself has the headers of everything else',
    async check({ url, options }) {
      const post = 'POST /create HTTP/1.1\r\nHost: x\r\n';
      const form = 'Content-Type: application/x-www-form-urlencoded\r\n';
      for (const [what, request, statuses] of [
        ['no request line', 'nonsense\r\n\r\n', [400]],
        ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', [400]],
        ['a broken header', 'GET / HTTP/1.1\r\nHost: x\r\nBroken\r\n\r\n', [400]],
        ['an unknown method', 'NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n', [400, 404, 405, 501]],
        ['an expectation', 'GET / HTTP/1.1\r\nHost: x\r\nExpect: nonsense\r\n\r\n', [417]],
        ['two lengths', `${post}${form}Content-Length: 1\r\nContent-Length: 2\r\n\r\na`, [400]],
        ['no chunk', `${post}${form}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, [400]],
        [
          'a long chunk extension',
          `${post}${form}Transfer-Encoding: chunked\r\n\r\n1;${'e'.repeat(40_000)}\r\na\r\n0\r\n\r\n`,
          [413],
        ],
      ] as const) {
        const reply = await exchange(url, [request], {
          timeoutMs: 3_000,
          done: (text) => text.includes('\r\n\r\n'),
        });
        assert.ok(reply.status !== 500, what);
        if (!options.parserHeaders) continue;
        assert.ok(
          (statuses as readonly number[]).includes(reply.status!),
          `${what}: ${reply.head}`,
        );
        assert.match(reply.head, /x-content-type-options: nosniff/i, what);
        assert.match(reply.head, /content-security-policy: default-src 'none'/i, what);
        assert.match(reply.head, /strict-transport-security: /i, what);
      }
    },
  },
  {
    id: 'V5.2.1',
    level: 1,
    requirement: 'bodies have a limit, declared or not, and are refused before they are kept',
    async check({ url, send, options: { earlyAnswers } }) {
      const head =
        'POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n';
      const declared = await exchange(url, [`${head}Content-Length: 2000000\r\n\r\ntitle=`], {
        done: (text) => text.includes('\r\n\r\n'),
      });
      assert.equal(declared.status, 413);
      const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`;
      const chunked = await exchange(
        url,
        [
          `${head}Transfer-Encoding: chunked\r\n\r\n`,
          ...Array.from({ length: 40 }, () => chunk),
          '0\r\n\r\n',
        ],
        { done: (text) => text.includes('\r\n\r\n') },
      );
      assert.equal(chunked.status, 413);
      // A client that reads only once it has sent everything still learns why.
      const patient = await exchange(
        url,
        [`${head}Transfer-Encoding: chunked\r\n\r\n`, ...Array(24).fill(chunk), '0\r\n\r\n'],
        { holdMs: 500, done: (text) => text.includes('\r\n\r\n') },
      );
      const wasReset = earlyAnswers === 'may be reset' && patient.end === 'reset';
      if (!wasReset) assert.equal(patient.status, 413);
      // Nor does one with a runtime's own limit in its way learn less.
      const huge = await exchange(url, [`${head}Content-Length: 40000000\r\n\r\ntitle=`], {
        done: (text) => text.includes('\r\n\r\n'),
      });
      assert.equal(huge.status, 413);
      for (const reply of [declared, chunked, huge, ...(wasReset ? [] : [patient])]) {
        assert.match(reply.head, /x-content-type-options: nosniff/i);
      }
      assert.equal((await send('GET', '/livez')).status, 200);
    },
  },
  {
    id: 'V5.2.3',
    level: 2,
    requirement: 'compressed bodies are refused: none can unfold here',
    async check({ send }) {
      const reply = await send('POST', '/api/posts', {
        headers: { ...JSON_HEADERS, 'content-encoding': 'gzip' },
        body: '{"title":"x"}',
      });
      assert.equal(reply.status, 415);
    },
  },
  {
    id: 'V16.5.1',
    level: 2,
    requirement: 'no answer shows a stack, a path, a query or a version',
    async check(bench) {
      const { send, url } = bench;
      const replies = [
        ...(await everyKind(bench)),
        await send('GET', '/%00'),
        await send('GET', '/%ff%fe'),
        await send('GET', '/..%2f..%2fetc%2fpasswd'),
        await send('GET', '/api/posts?limit=%00'),
        await send('GET', '/?before=1e999&after='),
      ];
      for (const { text, headers } of replies) {
        assert.ok(
          !/\bat [\w.<>]+ \(|node:internal|\.m?[jt]s:\d+|SQLITE|SELECT |node_modules/.test(text),
        );
        assert.equal(headers.get('server'), null);
        assert.equal(headers.get('x-powered-by'), null);
      }
      const broken = await exchange(url, ['GET / HTTP/9.9\r\n\r\n']);
      // Bun reads HTTP/9.9 as 1.1 or says 505; that is no fault, a trace would be.
      assert.notEqual(broken.status, 500);
      assert.ok(!/\bat |node:/.test(broken.body));
    },
  },
  {
    id: 'V16.5.2',
    level: 2,
    requirement:
      'a body that comes byte by byte is given up with 408 and not stored, others are served meanwhile',
    async check({ url, send, titles, options: { requestTimeoutMs, slowBodies } }) {
      const head =
        'POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n';
      const chunked = Array(100).fill('1\r\na\r\n');
      const slow = [
        [`${head}Content-Length: 1000\r\n\r\n`, ...Array(100).fill('a')],
        [`${head}Transfer-Encoding: chunked\r\n\r\n`, ...chunked],
      ].map((chunks) =>
        exchange(url, chunks, { pauseMs: 100, timeoutMs: requestTimeoutMs + 6_000 }),
      );
      // This one goes on behind its 408 and is whole soon after: it is late, and must not be stored.
      const late = `Late${'+'.repeat(Math.ceil(requestTimeoutMs / 100) + 12)}`;
      const whole = exchange(
        url,
        [`${head}Content-Length: ${late.length + 6}\r\n\r\ntitle=`, ...late],
        { pauseMs: 100, timeoutMs: requestTimeoutMs + 6_000, writeOn: true },
      );
      assert.equal((await send('GET', '/')).status, 200);
      for (const reply of await Promise.all(slow)) {
        if (slowBodies === 'answered') {
          assert.deepEqual([reply.status, reply.end], [408, 'timeout']);
          continue;
        }
        assert.notEqual(reply.end, 'timeout', 'the connection is still open');
        assert.ok(reply.status === 408 || reply.status === null, `${reply.status}`);
      }
      const { status } = await whole;
      assert.ok(status === 408 || status === null, `${status}`);
      assert.ok(!(await titles()).some((title) => title.startsWith('Late')), 'it was stored');
    },
  },
  {
    id: 'V16.5.2',
    level: 2,
    requirement:
      'a client that takes nothing of its answers is cut off, or the table says that nothing does',
    async check({ url, send, post, options: { requestTimeoutMs, stalledReaders } }) {
      const id = await post('Long', '<'.repeat(100_000));
      const pages = 40;
      const get = `GET /${id} HTTP/1.1\r\nHost: x\r\n`;
      const stalled = exchange(
        url,
        [`${`${get}\r\n`.repeat(pages - 1)}${get}Connection: close\r\n\r\n`],
        { holdMs: requestTimeoutMs + 9_000, timeoutMs: requestTimeoutMs + 20_000 },
      );
      assert.equal((await send('GET', '/')).status, 200);
      const { body, end } = await stalled;
      const gotAll = body.length > pages * '&lt;'.length * 100_000;
      // Once a runtime has a clock for it this fails, and the table can say so.
      assert.equal(gotAll, stalledReaders === 'not offered', `${body.length} bytes, ${end}`);
      assert.notEqual(end, 'timeout');
    },
  },
  {
    id: 'V16.5.2',
    level: 2,
    requirement:
      'a head that comes byte by byte is cut off, or the table says that the runtime offers no clock',
    async check({ url, send, options: { requestTimeoutMs, slowHeads } }) {
      const slow = exchange(
        url,
        [
          'POST /create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n',
          ...Array(100).fill('X-a: b\r\n'),
        ],
        { pauseMs: 100, timeoutMs: requestTimeoutMs + 4_000 },
      );
      assert.equal((await send('GET', '/')).status, 200);
      const { end, status } = await slow;
      if (slowHeads === 'not offered') {
        // Once the runtime has one this fails, and the table can say so.
        assert.equal(end, 'timeout');
        return;
      }
      assert.notEqual(end, 'timeout', 'the connection is still open');
      assert.ok(status === 408 || status === null, `${status}`);
    },
  },
  {
    id: 'own',
    level: null,
    requirement: 'the Host header decides nothing and is never echoed',
    async check({ url }) {
      for (const host of ['evil.example', 'x/../livez?', 'a b', '"><script>']) {
        const reply = await exchange(url, [
          `GET /create HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        ]);
        if (reply.status === 400) continue;
        assert.equal(reply.status, 200);
        assert.ok(reply.body.includes('name="title"') && !reply.body.includes('evil.example'));
      }
    },
  },
];

const refused = ({ status }: RawReply): boolean =>
  status === null || (status >= 400 && status < 500);

export function security(name: string, getUrl: () => string, options: SecurityOptions): void {
  describe(`${name} is secure`, { skip: options.skip ?? false }, () => {
    for (const item of ITEMS) {
      test(`${item.id}: ${item.requirement}`, async () => {
        const url = getUrl();
        const made: number[] = [];
        const send: Send = async (method, path, { headers = {}, body } = {}) => {
          const response = await fetch(new URL(path, url), {
            method,
            headers,
            ...(body === undefined ? {} : { body }),
            redirect: 'manual',
          });
          return {
            status: response.status,
            headers: response.headers,
            text: await response.text(),
          };
        };
        try {
          await item.check({
            send,
            url,
            options,
            async post(title, content = '') {
              const body = JSON.stringify({ title, content });
              const { status, text } = await send('POST', '/api/posts', {
                headers: JSON_HEADERS,
                body,
              });
              assert.equal(status, 201, text);
              const { id } = JSON.parse(text) as { id: number };
              made.push(id);
              return id;
            },
            async titles() {
              const { text } = await send('GET', '/api/posts?limit=100');
              return (JSON.parse(text) as { posts: Array<{ title: string }> }).posts.map(
                (p) => p.title,
              );
            },
          });
        } finally {
          for (const id of made) await send('DELETE', `/api/posts/${id}`);
        }
      });
    }
  });
}
