/** The exchange forms of a histogram: V2 compressed base64, and the `.hgrm` text of HdrHistogram. */
import { deflateSync, inflateSync } from 'node:zlib';
import { Histogram } from '../stats/histogram.ts';

const COMPRESSED_V2_COOKIE = 0x1c849304 | 0x10;

/** What `hdr-histogram-js`, HdrHistogram (Java, Go, Rust, C, Python) and the plotters read. */
export function toBase64(histogram: Histogram): string {
  const deflated = deflateSync(histogram.encodeV2());
  const header = Buffer.alloc(8);
  header.writeInt32BE(COMPRESSED_V2_COOKIE, 0);
  header.writeInt32BE(deflated.length, 4);
  return Buffer.concat([header, deflated]).toString('base64');
}

/** Read `toBase64`'s result. Throws RangeError where it is something else. */
export function fromBase64(text: string): Histogram {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < 8 || bytes.readInt32BE(0) !== COMPRESSED_V2_COOKIE) {
    throw new RangeError('histogram: not V2 compressed');
  }
  // bounded: the largest V2 histogram of this layout is well below 1 MiB
  return Histogram.decodeV2(
    inflateSync(bytes.subarray(8, 8 + bytes.readInt32BE(4)), { maxOutputLength: 1 << 20 }),
  );
}

/**
 * The percentile distribution as text, values divided by `scale` (1000: µs to ms), with
 * `ticksPerHalf` lines for each halving of the distance to 100 %: the lines that HdrHistogram prints.
 */
export function toHgrm(histogram: Histogram, { scale = 1, ticksPerHalf = 5 } = {}): string {
  const lines = ['       Value     Percentile TotalCount 1/(1-Percentile)', ''];
  const line = (value: number, percent: number, seen: number) => {
    const inverse = percent === 100 ? '' : ` ${(1 / (1 - percent / 100)).toFixed(2).padStart(14)}`;
    lines.push(
      `${(value / scale).toFixed(3).padStart(12)} ${(percent / 100).toFixed(12).padStart(2)} ${String(seen).padStart(10)}${inverse}`,
    );
  };
  let level = 0;
  let seen = 0;
  let highest = 0;
  for (const [, bucketHighest, count] of histogram.buckets()) {
    seen += count;
    highest = bucketHighest;
    const reached = (100 * seen) / histogram.count;
    while (level < 100 && reached >= level) {
      line(highest, level, seen);
      // the last bucket's remaining levels are one final line, as in HdrHistogram
      if (seen === histogram.count) break;
      level += 100 / (ticksPerHalf * 2 ** (Math.floor(Math.log2(100 / (100 - level))) + 1));
    }
  }
  if (histogram.count > 0) line(highest, 100, seen);
  const stat = (value: number) => (value / scale).toFixed(3).padStart(12);
  lines.push(
    `#[Mean    = ${stat(histogram.mean)}, StdDeviation   = ${stat(histogram.stddev)}]`,
    `#[Max     = ${stat(histogram.max)}, Total count    = ${String(histogram.count).padStart(12)}]`,
    `#[Buckets = ${'22'.padStart(12)}, SubBuckets     = ${'2048'.padStart(12)}]`,
  );
  return `${lines.join('\n')}\n`;
}
