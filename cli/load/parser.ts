/**
 * HTTP/1.x response parser over bytes, made for the hot path: no strings and no objects per
 * response, one pass, any split of the input parses the same. Pure.
 *
 * It knows what RFC 9112 section 6.3 says about where a body ends: HEAD, 1xx, 204, 304, chunked
 * with trailers, Content-Length, end of connection. What it cannot trust is an error with a reason,
 * never a guess: a broken status line, a header without a colon, two different lengths, a line or
 * head beyond its limit.
 */
import { KnownHead } from './known-head.ts';

/** Longest header, chunk-size or trailer line. */
export const MAX_LINE_BYTES = 16 * 1024;
/** All header lines of a response, interim ones included, together. */
export const MAX_HEAD_BYTES = 64 * 1024;

/** States of the parser, in the order of a message; all from DONE on are ends. */
const STATES = {
  STATUS_LINE: 0,
  HEADER: 1,
  FIXED_BODY: 2,
  CHUNK_SIZE: 3,
  CHUNK_DATA: 4,
  CHUNK_END: 5,
  TRAILER: 6,
  EOF_BODY: 7,
  DONE: 8,
  FAILED: 9,
} as const;
const { STATUS_LINE, HEADER, FIXED_BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END } = STATES;
const { TRAILER, EOF_BODY, DONE, FAILED } = STATES;

const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;

/** RFC 9110 token characters, the ones a header name may have. */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[char.charCodeAt(0)] = 1;
}

/** What the owner may want to see of a response; both may be called several times. */
export interface ResponseSink {
  /** One header line of the final response: name in lower case, value trimmed. */
  header?(name: string, value: string): void;
  /** A piece of the decoded body; valid only during the call. */
  body?(bytes: Uint8Array, start: number, end: number): void;
}

export class ResponseParser {
  /** Status of the response being read; 0 before its status line. */
  status = 0;
  /** Whether the connection may carry another request after this response. */
  keepAlive = false;
  /** From `Keep-Alive: timeout=N`, in seconds; -1 where the server did not say. */
  keepAliveSeconds = -1;
  /** Bytes of this response, framing included. */
  bytes = 0;
  /** Why the response cannot be parsed; null while it can. */
  error: string | null = null;
  sink: ResponseSink | null = null;

  private state: number = DONE;
  private noBody = false;
  private contentLength = -1;
  private chunked = false;
  private otherCoding = false;
  private remaining = 0;
  private headBytes = 0;
  /** A line that did not end within the input so far. */
  private partial = new Uint8Array(256);
  private partialLength = 0;
  private readonly known = new KnownHead();

  get done(): boolean {
    return this.state === DONE;
  }

  get failed(): boolean {
    return this.state === FAILED;
  }

  /** Expect the response of a request; `isHead`: its method was HEAD. */
  begin(isHead: boolean): void {
    this.state = STATUS_LINE;
    this.noBody = isHead;
    this.status = 0;
    this.keepAlive = false;
    this.keepAliveSeconds = -1;
    this.bytes = 0;
    this.error = null;
    this.contentLength = -1;
    this.chunked = false;
    this.otherCoding = false;
    this.headBytes = 0;
    this.partialLength = 0;
  }

  /**
   * Read `input[start, end)` and return where reading stopped: `end`, or before it when the
   * response is done (the rest is not its) or failed.
   */
  execute(input: Uint8Array, start: number, end: number): number {
    const isNewHead = this.state === STATUS_LINE && this.headBytes === 0;
    let at = isNewHead ? this.skipKnownHead(input, start, end) : start;
    while (at < end && this.state < DONE) {
      if (this.state === FIXED_BODY || this.state === CHUNK_DATA) {
        const take = Math.min(this.remaining, end - at);
        this.sink?.body?.(input, at, at + take);
        at += take;
        this.remaining -= take;
        if (this.remaining === 0) this.state = this.state === FIXED_BODY ? DONE : CHUNK_END;
      } else if (this.state === EOF_BODY) {
        this.sink?.body?.(input, at, end);
        at = end;
      } else {
        const wasHead = this.state === HEADER;
        at = this.readLine(input, at, end);
        if (wasHead && this.state > HEADER) this.learnHead(input, start, at);
      }
    }
    this.bytes += at - start;
    return at;
  }

  /** The connection has ended. True where that is the end of the response. */
  finish(): boolean {
    if (this.state === EOF_BODY) this.state = DONE;
    return this.state === DONE;
  }

  /** Where the head ends, if it is the one before once more; else `start`. */
  private skipKnownHead(input: Uint8Array, start: number, end: number): number {
    const { meaning } = this.known;
    // whoever wants the headers gets them from the parser
    if (meaning === null || meaning.isHead !== this.noBody || this.sink?.header) return start;
    const length = this.known.match(input, start, end);
    if (length === 0) return start;
    this.status = meaning.status;
    this.keepAlive = meaning.keepAlive;
    this.keepAliveSeconds = meaning.keepAliveSeconds;
    this.remaining = meaning.remaining;
    this.state = meaning.state;
    this.headBytes = length;
    return start + length;
  }

  private learnHead(input: Uint8Array, start: number, at: number): void {
    // only a head that lies in the input whole
    if (this.state === FAILED || this.headBytes !== at - start) return;
    const { noBody: isHead, status, keepAlive, keepAliveSeconds, remaining, state } = this;
    const meaning = { isHead, status, keepAlive, keepAliveSeconds, remaining, state };
    this.known.learn(input, start, at, meaning);
  }

  private fail(reason: string): void {
    this.state = FAILED;
    this.error = reason;
  }

  /** Find the end of the line at `at` and hand the line on, whole, wherever it was split. */
  private readLine(input: Uint8Array, at: number, end: number): number {
    let lf = at;
    while (lf < end && input[lf] !== LF) lf++;
    const length = lf - at;
    this.headBytes += length + 1;
    const tooLong =
      this.partialLength + length > MAX_LINE_BYTES ||
      (this.headBytes > MAX_HEAD_BYTES && this.state !== CHUNK_SIZE && this.state !== CHUNK_END);
    if (tooLong) {
      // one reason for both limits: which is met first depends on how the input was split
      this.fail(`a line of over ${MAX_LINE_BYTES} or a head of over ${MAX_HEAD_BYTES} bytes`);
      return at;
    }
    if (lf === end) {
      this.headBytes--; // its end has not been seen
      this.keep(input, at, end);
      return end;
    }
    if (this.partialLength === 0) {
      this.line(input, at, lf > at && input[lf - 1] === CR ? lf - 1 : lf);
    } else {
      this.keep(input, at, lf);
      const whole = this.partialLength;
      const bytes = this.partial;
      this.partialLength = 0;
      this.line(bytes, 0, bytes[whole - 1] === CR ? whole - 1 : whole);
    }
    return lf + 1;
  }

  private keep(input: Uint8Array, start: number, end: number): void {
    const needed = this.partialLength + end - start;
    if (needed > this.partial.length) {
      const larger = new Uint8Array(Math.max(needed, this.partial.length * 2));
      larger.set(this.partial.subarray(0, this.partialLength));
      this.partial = larger;
    }
    this.partial.set(input.subarray(start, end), this.partialLength);
    this.partialLength = needed;
  }

  private line(bytes: Uint8Array, start: number, end: number): void {
    switch (this.state) {
      case STATUS_LINE:
        this.statusLine(bytes, start, end);
        break;
      case HEADER:
        if (start === end) this.endOfHead();
        else this.headerLine(bytes, start, end);
        break;
      case CHUNK_SIZE:
        this.chunkSize(bytes, start, end);
        break;
      case CHUNK_END:
        if (start === end) this.state = CHUNK_SIZE;
        else this.fail('a chunk longer than its size');
        break;
      case TRAILER:
        if (start === end) this.state = DONE;
        break;
    }
  }

  /** `HTTP/1.1 200 OK`; the reason may be missing, with or without its space. */
  private statusLine(b: Uint8Array, start: number, end: number): void {
    const isHttp1 =
      end - start >= 12 &&
      b[start] === 72 &&
      b[start + 1] === 84 &&
      b[start + 2] === 84 &&
      b[start + 3] === 80 &&
      b[start + 4] === 47 &&
      b[start + 5] === 49 &&
      b[start + 6] === 46 &&
      b[start + 8] === 32 &&
      (end - start === 12 || b[start + 12] === 32);
    const minor = (b[start + 7] ?? 0) - 48;
    const hundreds = (b[start + 9] ?? 0) - 48;
    const tens = (b[start + 10] ?? 0) - 48;
    const ones = (b[start + 11] ?? 0) - 48;
    const isNumber =
      hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
    if (!isHttp1 || minor < 0 || minor > 9 || !isNumber) {
      this.fail('not an HTTP/1.x status line');
      return;
    }
    this.status = hundreds * 100 + tens * 10 + ones;
    this.keepAlive = minor >= 1;
    this.contentLength = -1;
    this.chunked = false;
    this.otherCoding = false;
    this.state = HEADER;
  }

  private headerLine(b: Uint8Array, start: number, end: number): void {
    let colon = start;
    while (colon < end && TOKEN[b[colon]!] === 1) colon++;
    if (colon === start || colon === end || b[colon] !== COLON) {
      this.fail('a header line without a name and a colon');
      return;
    }
    switch (colon - start) {
      case 10: // connection, keep-alive
        if (is(b, start, 'connection')) this.connection(b, colon + 1, end);
        else if (is(b, start, 'keep-alive')) this.keepAliveHint(text(b, colon + 1, end));
        break;
      case 14:
        if (is(b, start, 'content-length')) this.length(b, colon + 1, end);
        break;
      case 17:
        if (is(b, start, 'transfer-encoding')) this.coding(text(b, colon + 1, end).toLowerCase());
        break;
    }
    if (this.sink?.header && this.status >= 200) {
      this.sink.header(text(b, start, colon).toLowerCase(), text(b, colon + 1, end));
    }
  }

  private connection(b: Uint8Array, start: number, end: number): void {
    // nearly every response says exactly this: no string is made for it
    if (end - start === 11 && b[start] === SPACE && is(b, start + 1, 'keep-alive')) {
      this.keepAlive = true;
      return;
    }
    for (const option of text(b, start, end).toLowerCase().split(',')) {
      const name = option.trim();
      if (name === 'close') this.keepAlive = false;
      else if (name === 'keep-alive') this.keepAlive = true;
    }
  }

  private keepAliveHint(value: string): void {
    const match = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,6})/i.exec(value);
    if (match) this.keepAliveSeconds = Number(match[1]);
  }

  /** One length, or the same one repeated (`5, 5`); anything else cannot be trusted. */
  private length(b: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && (b[at] === 32 || b[at] === 9)) at++;
    let value = 0;
    let digits = 0;
    while (at < end && b[at]! >= 48 && b[at]! <= 57) {
      value = value * 10 + b[at]! - 48;
      digits++;
      at++;
    }
    while (at < end && (b[at] === 32 || b[at] === 9)) at++;
    if (digits === 0 || digits > 15) this.fail('a Content-Length that is not a number');
    else if (at < end && b[at] === 44) {
      this.setLength(value);
      if (this.state === HEADER) this.length(b, at + 1, end);
    } else if (at < end) this.fail('a Content-Length that is not a number');
    else this.setLength(value);
  }

  private setLength(value: number): void {
    if (this.contentLength !== -1 && this.contentLength !== value) {
      this.fail('two different Content-Lengths');
    } else this.contentLength = value;
  }

  /** Only as the last coding does chunked frame the message; `otherCoding`: something else is. */
  private coding(value: string): void {
    for (const part of value.split(',')) {
      const name = part.trim();
      if (name === '' || name === 'identity') continue;
      this.chunked = name === 'chunked';
      this.otherCoding = !this.chunked;
    }
  }

  private endOfHead(): void {
    if (this.status < 200) {
      if (this.status === 101) this.fail('a protocol switch that was not asked for');
      else this.state = STATUS_LINE; // 100, 103: the final response follows
      return;
    }
    if (this.noBody || this.status === 204 || this.status === 304) this.state = DONE;
    else if (this.chunked) this.state = CHUNK_SIZE;
    else if (this.contentLength >= 0 && !this.otherCoding) {
      this.remaining = this.contentLength;
      this.state = this.remaining === 0 ? DONE : FIXED_BODY;
    } else {
      this.keepAlive = false;
      this.state = EOF_BODY;
    }
  }

  private chunkSize(b: Uint8Array, start: number, end: number): void {
    let size = 0;
    let at = start;
    for (; at < end; at++) {
      const digit = hexDigit(b[at]!);
      if (digit < 0) break;
      size = size * 16 + digit;
    }
    const digits = at - start;
    while (at < end && (b[at] === 32 || b[at] === 9)) at++;
    if (digits === 0 || digits > 13 || (at < end && b[at] !== 59)) {
      this.fail('a chunk size that is not a hexadecimal number');
      return;
    }
    this.remaining = size;
    this.state = size === 0 ? TRAILER : CHUNK_DATA;
    this.headBytes = 0; // the trailers' own limit starts here
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Whether the bytes at `start` are `name` (lower case), whatever their case. */
function is(b: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = b[start + i]!;
    const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Bytes as Latin-1 text, trimmed. */
function text(b: Uint8Array, start: number, end: number): string {
  let value = '';
  for (let i = start; i < end; i++) value += String.fromCharCode(b[i]!);
  return value.trim();
}
