/**
 * The last response head of a connection. A server mostly repeats its head byte by byte, and what is
 * equal means the same: to compare it costs a part of parsing it. Pure.
 */

/** Longer heads are parsed each time. */
const MAX_KNOWN_BYTES = 1024;

/** What a head says, as far as it matters to the rest of the response. */
export interface HeadMeaning {
  /** The request was a HEAD. */
  isHead: boolean;
  status: number;
  keepAlive: boolean;
  keepAliveSeconds: number;
  /** Bytes of the body, where its length is known. */
  remaining: number;
  /** The parser's, after the head. */
  state: number;
}

export class KnownHead {
  /** Of the known head; null before the first. */
  meaning: HeadMeaning | null = null;
  private readonly bytes = new Uint8Array(MAX_KNOWN_BYTES);
  private length = 0;
  /** Heads since the last that was known. */
  private misses = 0;

  /** Length of the known head, if `input[start, end)` begins with it; else 0. */
  match(input: Uint8Array, start: number, end: number): number {
    const { bytes, length } = this;
    if (length === 0 || end - start < length) return 0;
    for (let i = 0; i < length; i++) if (input[start + i] !== bytes[i]) return 0;
    this.misses = 0;
    return length;
  }

  /** `input[start, end)` was a whole head that was not known, and `meaning` is what it said. */
  learn(input: Uint8Array, start: number, end: number, meaning: HeadMeaning): void {
    // of a server whose heads all differ only the 1st, 2nd, 4th, 8th … are copied
    const isWorthIt = (this.misses & (this.misses - 1)) === 0;
    this.misses++;
    if (!isWorthIt || end - start > MAX_KNOWN_BYTES) return;
    this.bytes.set(input.subarray(start, end));
    this.length = end - start;
    this.meaning = meaning;
  }
}
