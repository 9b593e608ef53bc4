/**
 * High dynamic range histogram, 1 µs to 1 h, 3 significant digits, in the layout of HdrHistogram
 * (lowest discernible value 1, 2048 sub-buckets), so that its V2 encoding is read by every other
 * implementation and percentiles mean the same: the *highest equivalent value* of the bucket that
 * holds the requested rank.
 *
 * Beyond HdrHistogram it knows *censored* values: "at least v", from requests that were unsent or
 * unanswered when the run ended. They are counted at their bound, and a percentile that would move
 * if they were longer is a lower bound (`isLowerBound`).
 *
 * Pure: no imports.
 */

const SUB_BUCKETS = 2048;
const SUB_BUCKET_BITS = 11;
const HALF_BITS = 10;
const BUCKETS = 22;
const SLOTS = (BUCKETS + 1) << HALF_BITS;

/** 1 h in µs: larger values are counted here, never dropped. */
export const HIGHEST_TRACKABLE = 3_600_000_000;
const DIGITS = 3;
const V2_COOKIE = 0x1c849303 | 0x10;

/** How many powers of two above the exact range `value` lies. */
function bucketOf(value: number): number {
  return 32 - SUB_BUCKET_BITS - Math.clz32(value | (SUB_BUCKETS - 1));
}

function slotOf(value: number): number {
  const bucket = bucketOf(value);
  return (bucket << HALF_BITS) + (value >>> bucket);
}

/** Smallest value that is counted in `slot`. */
function lowestOfSlot(slot: number): number {
  const bucket = Math.max(0, (slot >> HALF_BITS) - 1);
  return (slot - (bucket << HALF_BITS)) * 2 ** bucket;
}

function widthOfSlot(slot: number): number {
  return 2 ** Math.max(0, (slot >> HALF_BITS) - 1);
}

/** One ulp of `x` for positive normal doubles: what rounding may have added to a product. */
function ulp(x: number): number {
  return x === 0 ? Number.MIN_VALUE : 2 ** (Math.floor(Math.log2(x)) - 52);
}

/** A histogram on its way between threads: only the slots that hold something. */
export interface HistogramDelta {
  slots: Uint32Array;
  counts: Float64Array;
  censoredSlots: Uint32Array;
  censoredCounts: Float64Array;
}

export class Histogram {
  private readonly counts = new Float64Array(SLOTS);
  /** Of the values in `counts`, those that are "at least"; allocated with the first. */
  private censoredCounts: Float64Array | null = null;
  private total = 0;
  private censoredTotal = 0;
  private lowSlot = SLOTS;
  private highSlot = -1;

  get count(): number {
    return this.total;
  }

  get censored(): number {
    return this.censoredTotal;
  }

  /** Record `value` (µs; rounded, clamped to 0 … 1 h) `count` times. */
  record(value: number, count = 1): void {
    const rounded = value < 0 ? 0 : value > HIGHEST_TRACKABLE ? HIGHEST_TRACKABLE : value + 0.5;
    // `>>> 0` truncates, and keeps 2^31 … 2^32 positive
    this.addAtSlot(slotOf(rounded >>> 0), count);
  }

  /** Record "at least `value`" µs, `count` times. */
  recordCensored(value: number, count = 1): void {
    this.record(value, count);
    const clamped = value < 0 ? 0 : Math.min(value + 0.5, HIGHEST_TRACKABLE);
    this.censorSlot(slotOf(clamped >>> 0), count);
  }

  private addAtSlot(slot: number, count: number): void {
    this.counts[slot]! += count;
    this.total += count;
    if (slot < this.lowSlot) this.lowSlot = slot;
    if (slot > this.highSlot) this.highSlot = slot;
  }

  private censorSlot(slot: number, count: number): void {
    this.censoredCounts ??= new Float64Array(SLOTS);
    this.censoredCounts[slot]! += count;
    this.censoredTotal += count;
  }

  /** Add all of `other`: exact, the counts are integers below 2^53. */
  merge(other: Histogram): this {
    for (let slot = other.lowSlot; slot <= other.highSlot; slot++) {
      const count = other.counts[slot]!;
      if (count > 0) this.addAtSlot(slot, count);
      const censored = other.censoredCounts?.[slot] ?? 0;
      if (censored > 0) this.censorSlot(slot, censored);
    }
    return this;
  }

  /** Take away what `other` holds; `other` must have been merged into this before. */
  subtract(other: Histogram): this {
    for (let slot = other.lowSlot; slot <= other.highSlot; slot++) {
      const count = other.counts[slot]!;
      if (count === 0) continue;
      if (count > this.counts[slot]!)
        throw new RangeError('subtract: not a part of this histogram');
      this.counts[slot]! -= count;
      this.total -= count;
      const censored = other.censoredCounts?.[slot] ?? 0;
      if (censored > 0) this.censorSlot(slot, -censored);
    }
    while (this.lowSlot <= this.highSlot && this.counts[this.lowSlot] === 0) this.lowSlot++;
    while (this.highSlot >= this.lowSlot && this.counts[this.highSlot] === 0) this.highSlot--;
    if (this.highSlot < this.lowSlot) {
      this.lowSlot = SLOTS;
      this.highSlot = -1;
    }
    return this;
  }

  copy(): Histogram {
    return new Histogram().merge(this);
  }

  reset(): void {
    if (this.total === 0) return;
    this.counts.fill(0, this.lowSlot, this.highSlot + 1);
    this.censoredCounts?.fill(0, this.lowSlot, this.highSlot + 1);
    this.total = 0;
    this.censoredTotal = 0;
    this.lowSlot = SLOTS;
    this.highSlot = -1;
  }

  /** Lowest equivalent of the smallest value; 0 when empty. */
  get min(): number {
    return this.total === 0 ? 0 : lowestOfSlot(this.lowSlot);
  }

  /** Highest equivalent of the largest value, as HdrHistogram's getMaxValue; 0 when empty. */
  get max(): number {
    return this.total === 0 ? 0 : lowestOfSlot(this.highSlot) + widthOfSlot(this.highSlot) - 1;
  }

  /** Mean of the buckets' middles; 0 when empty. */
  get mean(): number {
    if (this.total === 0) return 0;
    let sum = 0;
    for (let slot = this.lowSlot; slot <= this.highSlot; slot++) {
      const count = this.counts[slot]!;
      if (count > 0) sum += count * middleOfSlot(slot);
    }
    return sum / this.total;
  }

  /** Population standard deviation over the buckets' middles; 0 when empty. */
  get stddev(): number {
    if (this.total === 0) return 0;
    const { mean } = this;
    let sum = 0;
    for (let slot = this.lowSlot; slot <= this.highSlot; slot++) {
      const count = this.counts[slot]!;
      if (count > 0) sum += count * (middleOfSlot(slot) - mean) ** 2;
    }
    return Math.sqrt(sum / this.total);
  }

  /** The value in µs below or at which `percent` of all values lie; 0 when empty. */
  percentile(percent: number): number {
    const slot = this.slotAtPercentile(percent, false);
    if (slot === -1) return 0;
    return percent === 0 ? lowestOfSlot(slot) : lowestOfSlot(slot) + widthOfSlot(slot) - 1;
  }

  /**
   * True where `percentile(percent)` is only a lower bound: with every censored value at infinity
   * the percentile would lie in another bucket (or among them).
   */
  isLowerBound(percent: number): boolean {
    if (this.censoredTotal === 0) return false;
    // The truth lies between "each at its bound" and "each at infinity": equal ends leave no room.
    return this.slotAtPercentile(percent, false) !== this.slotAtPercentile(percent, true);
  }

  /** Slot of the rank; with `censoredLast`, censored values rank above all others (-1 = there). */
  private slotAtPercentile(percent: number, censoredLast: boolean): number {
    if (this.total === 0) return -1;
    const exact = (Math.min(percent, 100) / 100) * this.total;
    const rank = Math.max(1, Math.ceil(exact - ulp(exact)));
    let seen = 0;
    for (let slot = this.lowSlot; slot <= this.highSlot; slot++) {
      seen += this.counts[slot]!;
      if (censoredLast) seen -= this.censoredCounts?.[slot] ?? 0;
      if (seen >= rank) return slot;
    }
    return -1;
  }

  /** Non-empty buckets in rising order: `[lowest value, highest value, count]`. */
  *buckets(): Generator<[lowest: number, highest: number, count: number]> {
    for (let slot = this.lowSlot; slot <= this.highSlot; slot++) {
      const count = this.counts[slot]!;
      if (count > 0) {
        const lowest = lowestOfSlot(slot);
        yield [lowest, lowest + widthOfSlot(slot) - 1, count];
      }
    }
  }

  /** What is recorded, in a form that is cheap to post to another thread. */
  toDelta(): HistogramDelta {
    const slots: number[] = [];
    const censoredSlots: number[] = [];
    for (let slot = this.lowSlot; slot <= this.highSlot; slot++) {
      if (this.counts[slot]! > 0) slots.push(slot);
      if ((this.censoredCounts?.[slot] ?? 0) > 0) censoredSlots.push(slot);
    }
    return {
      slots: Uint32Array.from(slots),
      counts: Float64Array.from(slots, (slot) => this.counts[slot]!),
      censoredSlots: Uint32Array.from(censoredSlots),
      censoredCounts: Float64Array.from(censoredSlots, (slot) => this.censoredCounts![slot]!),
    };
  }

  addDelta(delta: HistogramDelta): this {
    for (let i = 0; i < delta.slots.length; i++) this.addAtSlot(delta.slots[i]!, delta.counts[i]!);
    for (let i = 0; i < delta.censoredSlots.length; i++) {
      this.censorSlot(delta.censoredSlots[i]!, delta.censoredCounts[i]!);
    }
    return this;
  }

  /**
   * HdrHistogram's V2 encoding, uncompressed: a 40-byte header, then ZigZag LEB128 counts in which
   * a negative number is a run of empty slots. Deflate and base64 make it the exchange format.
   * Source: HdrHistogram, AbstractHistogram.encodeIntoByteBuffer.
   */
  encodeV2(): Uint8Array {
    const payload: number[] = [];
    for (let slot = 0; slot <= this.highSlot; ) {
      const count = this.counts[slot]!;
      if (count > 0) {
        putZigZag(payload, count);
        slot++;
        continue;
      }
      let empty = 0;
      while (slot <= this.highSlot && this.counts[slot] === 0) {
        empty++;
        slot++;
      }
      putZigZag(payload, -empty);
    }
    const bytes = new Uint8Array(40 + payload.length);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, V2_COOKIE);
    view.setInt32(4, payload.length);
    view.setInt32(8, 0); // normalising index offset
    view.setInt32(12, DIGITS);
    view.setBigInt64(16, 1n);
    view.setBigInt64(24, BigInt(HIGHEST_TRACKABLE));
    view.setFloat64(32, 1);
    bytes.set(payload, 40);
    return bytes;
  }

  /** Read what `encodeV2` wrote. Throws RangeError on anything else or a truncated input. */
  static decodeV2(bytes: Uint8Array): Histogram {
    if (bytes.length < 40) throw new RangeError('histogram: shorter than its header');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getInt32(0) !== V2_COOKIE) throw new RangeError('histogram: not V2 encoded');
    if (view.getInt32(12) !== DIGITS || view.getBigInt64(16) !== 1n) {
      throw new RangeError('histogram: only 3 digits from 1 µs are supported');
    }
    const end = 40 + view.getInt32(4);
    if (end > bytes.length) throw new RangeError('histogram: truncated');
    const histogram = new Histogram();
    let slot = 0;
    let at = 40;
    while (at < end) {
      const [value, next] = getZigZag(bytes, at, end);
      at = next;
      if (value < 0) slot -= value;
      else if (slot >= SLOTS) throw new RangeError('histogram: more slots than its range has');
      else histogram.addAtSlot(slot++, value);
    }
    return histogram;
  }
}

function middleOfSlot(slot: number): number {
  return lowestOfSlot(slot) + Math.floor(widthOfSlot(slot) / 2);
}

/** ZigZag LEB128-64b9B: seven bits a byte, low first; the ninth byte, if any, holds eight. */
function putZigZag(out: number[], value: number): void {
  let zigzag = value < 0 ? -value * 2 - 1 : value * 2;
  for (let i = 0; i < 8; i++) {
    if (zigzag < 128) {
      out.push(zigzag);
      return;
    }
    out.push((zigzag % 128) | 128);
    zigzag = Math.floor(zigzag / 128);
  }
  out.push(zigzag);
}

function getZigZag(bytes: Uint8Array, from: number, end: number): [number, number] {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 9; i++) {
    if (from + i >= end) throw new RangeError('histogram: truncated');
    const byte = bytes[from + i]!;
    const last = i === 8 || byte < 128;
    value += (last ? byte : byte - 128) * scale;
    scale *= 128;
    if (last) {
      const zigzag = value;
      return [zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2, from + i + 1];
    }
  }
  throw new RangeError('histogram: unreachable');
}
