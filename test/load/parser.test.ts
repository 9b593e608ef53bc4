import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_HEAD_BYTES, MAX_LINE_BYTES, ResponseParser } from '../../cli/load/parser.ts';

interface Outcome {
  ended: 'done' | 'failed' | 'open';
  error: string | null;
  status: number;
  keepAlive: boolean;
  keepAliveSeconds: number;
  body: string;
  headers: Array<[string, string]>;
  /** Bytes after the end of the response. */
  rest: number;
}

/** Feed `input` in pieces that end at `cuts`; `isClosed`: the connection ends after it. */
function parse(
  input: string,
  {
    cuts = [],
    isHead = false,
    isClosed = false,
  }: Partial<{
    cuts: number[];
    isHead: boolean;
    isClosed: boolean;
  }> = {},
): Outcome {
  const bytes = Buffer.from(input, 'latin1');
  const parser = new ResponseParser();
  const headers: Outcome['headers'] = [];
  let body = '';
  parser.sink = {
    header: (name, value) => void headers.push([name, value]),
    body: (chunk, start, end) => {
      body += Buffer.from(chunk.subarray(start, end)).toString('latin1');
    },
  };
  parser.begin(isHead);
  let used = 0;
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    if (parser.done || parser.failed) break;
    // a fresh buffer per piece: the parser must not keep a reference to its input
    const piece = new Uint8Array(bytes.subarray(start, end));
    used += parser.execute(piece, 0, piece.length);
    piece.fill(0);
    start = end;
  }
  if (isClosed && !parser.failed) parser.finish();
  return {
    ended: parser.failed ? 'failed' : parser.done ? 'done' : 'open',
    error: parser.error,
    status: parser.status,
    keepAlive: parser.keepAlive,
    keepAliveSeconds: parser.keepAliveSeconds,
    body,
    headers,
    rest: parser.failed ? 0 : bytes.length - used,
  };
}

const CASES: Record<
  string,
  { input: string; isHead?: boolean; isClosed?: boolean; want: Partial<Outcome> }
> = {
  'Content-Length': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    want: { ended: 'done', status: 200, keepAlive: true, body: 'hello', rest: 0 },
  },
  'bytes after the body': {
    input: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello',
    want: { ended: 'done', body: 'he', rest: 3 },
  },
  'chunks with extensions and trailers': {
    input:
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA \r\n, world!\r\n\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n',
    want: { ended: 'done', body: 'hello, world!\r\n', keepAlive: true, rest: 0 },
  },
  'interim responses': {
    input:
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 201 Created\r\nLocation: /7\r\nContent-Length: 0\r\n\r\n',
    want: {
      ended: 'done',
      status: 201,
      body: '',
      headers: [
        ['location', '/7'],
        ['content-length', '0'],
      ],
    },
  },
  '204 with a length': {
    input: 'HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n',
    want: { ended: 'done', status: 204, body: '' },
  },
  '304 with a length': {
    input: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
    want: { ended: 'done', status: 304, body: '' },
  },
  'the answer to HEAD': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n',
    isHead: true,
    want: { ended: 'done', status: 200, body: '' },
  },
  'a body that ends with the connection': {
    input: 'HTTP/1.1 200 OK\r\nServer: old\r\n\r\nall of it',
    isClosed: true,
    want: { ended: 'done', keepAlive: false, body: 'all of it' },
  },
  'a length that the connection cuts short': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf',
    isClosed: true,
    want: { ended: 'open', body: 'half' },
  },
  'HTTP/1.0 without keep-alive': {
    input: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx',
    want: { ended: 'done', keepAlive: false },
  },
  'HTTP/1.0 with keep-alive': {
    input:
      'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: max=9, timeout=5\r\nContent-Length: 1\r\n\r\nx',
    want: { ended: 'done', keepAlive: true, keepAliveSeconds: 5 },
  },
  'Connection: close': {
    input: 'HTTP/1.1 200 OK\r\nCONNECTION: foo, Close\r\nContent-Length: 0\r\n\r\n',
    want: { ended: 'done', keepAlive: false },
  },
  'line feeds alone': {
    input: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    want: { ended: 'done', body: 'ok' },
  },
  'no reason phrase': {
    input: 'HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n',
    want: { ended: 'done', status: 404 },
  },
  'the same length twice': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok',
    want: { ended: 'done', body: 'ok' },
  },
  'chunked over a length': {
    input:
      'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    want: { ended: 'done', body: 'ok' },
  },
  'a coding that does not frame': {
    input: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nlonger',
    isClosed: true,
    want: { ended: 'done', body: 'longer', keepAlive: false },
  },
  'two different lengths': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
    want: { ended: 'failed', error: 'two different Content-Lengths' },
  },
  'a length that is no number': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n',
    want: { ended: 'failed', error: 'a Content-Length that is not a number' },
  },
  'a length beyond 2^53': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n',
    want: { ended: 'failed', error: 'a Content-Length that is not a number' },
  },
  'a chunk size that is no number': {
    input: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
    want: { ended: 'failed', error: 'a chunk size that is not a hexadecimal number' },
  },
  'a chunk longer than its size': {
    input: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n',
    want: { ended: 'failed', error: 'a chunk longer than its size' },
  },
  'a header without a colon': {
    input: 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n',
    want: { ended: 'failed', error: 'a header line without a name and a colon' },
  },
  'a header with a space before the colon': {
    input: 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc',
    want: { ended: 'failed', error: 'a header line without a name and a colon' },
  },
  'another protocol': {
    input: 'SSH-2.0-OpenSSH_9.2\r\n',
    want: { ended: 'failed', error: 'not an HTTP/1.x status line' },
  },
  'HTTP/2': {
    input: 'HTTP/2.0 200 OK\r\n\r\n',
    want: { ended: 'failed', error: 'not an HTTP/1.x status line' },
  },
  'a protocol switch': {
    input: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    want: { ended: 'failed', error: 'a protocol switch that was not asked for' },
  },
};

for (const [name, { input, isHead = false, isClosed = false, want }] of Object.entries(CASES)) {
  test(`${name} is read right, whole and at every two-way split`, () => {
    const whole = parse(input, { isHead, isClosed });
    for (const [key, value] of Object.entries(want)) {
      assert.deepEqual(whole[key as keyof Outcome], value, key);
    }
    for (let cut = 0; cut <= input.length; cut++) {
      assert.deepEqual(parse(input, { isHead, isClosed, cuts: [cut] }), whole, `cut at ${cut}`);
    }
    const everyByte = Array.from(input, (_, i) => i);
    assert.deepEqual(parse(input, { isHead, isClosed, cuts: everyByte }), whole);
  });
}

const token = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9-]{0,20}$/);
const value = fc.stringMatching(/^[ -~]{0,40}$/).map((text) => text.trim());
const latin1 = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const RESERVED = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive']);

const response = fc
  .record({
    status: fc.integer({ min: 200, max: 599 }),
    reason: fc.stringMatching(/^[ -~]{0,20}$/),
    headers: fc.array(fc.tuple(token, value), { maxLength: 8 }),
    body: latin1(300),
    chunkSizes: fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 10 }),
    isChunked: fc.boolean(),
  })
  .map(({ status, reason, headers, body, chunkSizes, isChunked }) => {
    const kept = headers.filter(([name]) => !RESERVED.has(name.toLowerCase()));
    const lines = kept.map(([name, text]) => `${name}: ${text}\r\n`).join('');
    const hasBody = status !== 204 && status !== 304;
    let framed = `Content-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${hasBody ? body : ''}`;
    if (isChunked && hasBody) {
      let rest = body;
      let chunks = '';
      for (const size of [...chunkSizes, Number.POSITIVE_INFINITY]) {
        const chunk = rest.slice(0, size);
        if (chunk.length > 0) chunks += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
        rest = rest.slice(chunk.length);
      }
      framed = `Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
    }
    return {
      status,
      body: hasBody ? body : '',
      headers: kept,
      wire: `HTTP/1.1 ${status} ${reason}\r\n${lines}${framed}`,
    };
  });

test('any valid response, split anywhere, gives its status, headers and body', () => {
  fc.assert(
    fc.property(
      response.chain((made) =>
        fc.tuple(
          fc.constant(made),
          fc.array(fc.integer({ min: 0, max: made.wire.length }), { maxLength: 30 }),
        ),
      ),
      ([made, cuts]) => {
        const outcome = parse(made.wire, { cuts });
        assert.equal(outcome.ended, 'done', outcome.error ?? '');
        assert.equal(outcome.status, made.status);
        assert.equal(outcome.body, made.body);
        assert.deepEqual(
          outcome.headers.filter(([name]) => !RESERVED.has(name)),
          made.headers.map(([name, text]) => [name.toLowerCase(), text]),
        );
        assert.equal(outcome.rest, 0);
      },
    ),
    { numRuns: 500 },
  );
});

test('any bytes, split anywhere, end the same and never throw', () => {
  // from pieces of HTTP, so that the damage reaches every state and not only the status line
  const piece = fc.oneof(
    fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 100 \r\n',
      'Content-Length: 3\r\n',
      'Content-Length: x\r\n',
      'Transfer-Encoding: chunked\r\n',
      '\r\n',
      '\n',
      '\r',
      '3\r\nabc\r\n',
      '0\r\n',
      'ffffffffffffffffff\r\n',
      ' folded\r\n',
      ': empty\r\n',
      '\0',
    ),
    latin1(10),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc.array(fc.nat(200), { maxLength: 20 }),
      fc.boolean(),
      fc.boolean(),
      (input, cuts, isHead, isClosed) => {
        const bounded = cuts.map((cut) => cut % (input.length + 1));
        assert.deepEqual(
          parse(input, { cuts: bounded, isHead, isClosed }),
          parse(input, { isHead, isClosed }),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test('a line or a head beyond its limit is an error, however it is split', () => {
  const longLine = `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(MAX_LINE_BYTES)}\r\n\r\n`;
  const longHead = `HTTP/1.1 200 OK\r\n${`X: ${'a'.repeat(1000)}\r\n`.repeat(70)}\r\n`;
  const endlessInterim = 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(MAX_HEAD_BYTES / 20);
  for (const input of [longLine, longHead, endlessInterim]) {
    const whole = parse(input);
    assert.equal(whole.ended, 'failed');
    assert.match(whole.error ?? '', /a line of over 16384 or a head of over 65536 bytes/);
    const every1000 = Array.from({ length: Math.floor(input.length / 1000) }, (_, i) => i * 1000);
    assert.equal(parse(input, { cuts: every1000 }).error, whole.error);
  }
});

test('an endless status line without an end is an error before it fills memory', () => {
  const parser = new ResponseParser();
  parser.begin(false);
  const piece = new Uint8Array(4096).fill(65);
  let fed = 0;
  while (!parser.failed && fed < 1_000_000) fed += parser.execute(piece, 0, piece.length) || 4096;
  assert.ok(parser.failed);
  assert.ok(fed <= MAX_LINE_BYTES + 4096);
});

test('one parser reads response after response', () => {
  const parser = new ResponseParser();
  for (const [input, status] of [
    ['HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na', 200],
    ['HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 500],
    ['HTTP/1.1 204 X\r\n\r\n', 204],
  ] as const) {
    const bytes = Buffer.from(input);
    parser.begin(false);
    assert.equal(parser.execute(bytes, 0, bytes.length), bytes.length);
    assert.ok(parser.done);
    assert.equal(parser.status, status);
    assert.equal(parser.keepAlive, status !== 200);
    assert.equal(parser.bytes, bytes.length);
  }
});
