import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KnownHead } from '../../cli/load/known-head.ts';
import { ResponseParser } from '../../cli/load/parser.ts';

test('a parser that knows a head reads the next response as a fresh one does, split anywhere', () => {
  const heads = [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n',
    'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n',
    'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 204 None\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1100)}\r\nContent-Length: 3\r\n\r\n`,
    'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n',
  ];
  const bodies = ['abc', 'abcd', '3\r\nabc\r\n0\r\n\r\n', '', 'HTTP'];
  const response = fc.record({
    wire: fc.tuple(fc.constantFrom(...heads), fc.constantFrom(...bodies)).map((p) => p.join('')),
    isHead: fc.boolean(),
    cut: fc.option(fc.nat(80), { nil: 0 }),
  });
  const feed = (
    parser: ResponseParser,
    { wire, isHead, cut }: { wire: string; isHead: boolean; cut: number },
  ) => {
    const bytes = new Uint8Array(Buffer.from(wire, 'latin1'));
    let body = '';
    parser.sink = {
      body: (b, start, end) => {
        body += Buffer.from(b.subarray(start, end));
      },
    };
    parser.begin(isHead);
    const middle = Math.min(cut, bytes.length);
    let used = parser.execute(bytes, 0, middle);
    if (used === middle) used = parser.execute(bytes, middle, bytes.length);
    const { done, failed, status, keepAlive, keepAliveSeconds, error } = parser;
    const count = failed ? 0 : parser.bytes;
    return {
      used: failed ? 0 : used,
      done,
      failed,
      status,
      keepAlive,
      keepAliveSeconds,
      error,
      count,
      body,
    };
  };
  fc.assert(
    // few different responses, so that most are met again
    fc.property(fc.array(response, { minLength: 1, maxLength: 30 }), (responses) => {
      const parser = new ResponseParser();
      for (const one of responses)
        assert.deepEqual(feed(parser, one), feed(new ResponseParser(), one));
    }),
    { numRuns: 500 },
  );
});

test('what was learnt is matched at any offset, and nothing shorter or different is', () => {
  const known = new KnownHead();
  const bytes = new Uint8Array(Buffer.from('..HTTP/1.1 200 OK\r\n\r\nbody'));
  const meaning = {
    isHead: false,
    status: 200,
    keepAlive: true,
    keepAliveSeconds: -1,
    remaining: 4,
    state: 2,
  };
  assert.equal(known.match(bytes, 2, bytes.length), 0);
  known.learn(bytes, 2, bytes.length - 4, meaning);
  assert.equal(known.match(bytes, 2, bytes.length), bytes.length - 6);
  assert.equal(known.match(bytes, 0, bytes.length), 0);
  assert.equal(known.match(bytes, 2, bytes.length - 5), 0);
  assert.equal(known.meaning, meaning);
});

test('heads that all differ are learnt ever more rarely, until one is known again', () => {
  const known = new KnownHead();
  let learnt = 0;
  const see = (text: string) => {
    const bytes = new Uint8Array(Buffer.from(text));
    if (known.match(bytes, 0, bytes.length) > 0) return;
    const meaning = {
      isHead: false,
      status: 1,
      keepAlive: true,
      keepAliveSeconds: 0,
      remaining: 0,
      state: 0,
    };
    known.learn(bytes, 0, bytes.length, meaning);
    if (known.meaning === meaning) learnt++;
  };
  for (let i = 0; i < 1024; i++) see(`head ${i}`);
  assert.equal(learnt, 11, '0, 1, 2, 4, 8 … 512');
  see('head 512');
  see('another');
  assert.equal(learnt, 12);
});
