import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import hdr from 'hdr-histogram-js';
import { fromBase64, toBase64, toHgrm } from '../../cli/load/histogram-export.ts';
import { HIGHEST_TRACKABLE, Histogram } from '../../cli/stats/histogram.ts';

const PERCENTS = [0, 0.1, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100];

// Latencies spread over all magnitudes, not only over the largest.
const latencyUs = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([bits, share]) => Math.min(HIGHEST_TRACKABLE, Math.floor(2 ** bits * (1 + share))));

function peerOf(values: readonly number[]) {
  const peer = hdr.build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_TRACKABLE,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
    useWebAssembly: false,
  });
  for (const value of values) peer.recordValue(value);
  return peer;
}

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test('percentiles, mean, deviation and maximum equal those of hdr-histogram-js', () => {
  fc.assert(
    fc.property(fc.array(latencyUs, { minLength: 1, maxLength: 300 }), (values) => {
      const ours = histogramOf(values);
      const peer = peerOf(values);
      for (const percent of PERCENTS) {
        assert.equal(
          ours.percentile(percent),
          peer.getValueAtPercentile(percent),
          `p${percent} of ${values}`,
        );
      }
      assert.equal(ours.count, peer.totalCount);
      // the JavaScript port keeps the exact maximum, all others give its bucket's highest value
      // (a method that the package has and its type declarations lack)
      const { highestEquivalentValue } = peer as unknown as Record<string, (v: number) => number>;
      assert.equal(ours.max, highestEquivalentValue!.call(peer, peer.maxValue));
      assert.ok(Math.abs(ours.mean - peer.mean) <= 1e-9 * peer.mean);
      assert.ok(Math.abs(ours.stddev - peer.stdDeviation) <= 1e-6 * (1 + peer.stdDeviation));
    }),
  );
});

test('every value is kept to three significant digits', () => {
  fc.assert(
    fc.property(latencyUs, (value) => {
      const histogram = histogramOf([value]);
      assert.ok(histogram.percentile(0) <= value && value <= histogram.percentile(100));
      assert.ok(histogram.percentile(100) - histogram.percentile(0) <= value / 1000);
    }),
  );
});

test('the exported base64 is read by hdr-histogram-js with the same percentiles', () => {
  fc.assert(
    fc.property(fc.array(latencyUs, { minLength: 1, maxLength: 200 }), (values) => {
      const ours = histogramOf(values);
      const peer = hdr.decodeFromCompressedBase64(toBase64(ours), 64, false);
      assert.equal(peer.totalCount, ours.count);
      for (const percent of PERCENTS) {
        assert.equal(peer.getValueAtPercentile(percent), ours.percentile(percent));
      }
    }),
    { numRuns: 50 },
  );
});

test('what hdr-histogram-js exports is read with the same counts', () => {
  const values = [0, 1, 2047, 2048, 5000, 1_000_000, HIGHEST_TRACKABLE];
  const peer = peerOf(values);
  const ours = fromBase64(hdr.encodeIntoCompressedBase64(peer));
  assert.deepEqual([...ours.buckets()], [...histogramOf(values).buckets()]);
});

test('encoding and decoding give the same buckets, counts above 2^32 included', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(latencyUs, fc.integer({ min: 1, max: 2 ** 40 })), { maxLength: 50 }),
      (entries) => {
        const histogram = new Histogram();
        for (const [value, count] of entries) histogram.record(value, count);
        const back = Histogram.decodeV2(histogram.encodeV2());
        assert.deepEqual([...back.buckets()], [...histogram.buckets()]);
        assert.equal(back.count, histogram.count);
      },
    ),
  );
});

test('a truncated or foreign encoding is refused with a RangeError', () => {
  const bytes = histogramOf([1, 100, 10_000]).encodeV2();
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => Histogram.decodeV2(bytes.subarray(0, length)), RangeError);
  }
  const foreign = bytes.slice();
  foreign[0] = 0;
  assert.throws(() => Histogram.decodeV2(foreign), RangeError);
  assert.throws(() => fromBase64('bm90IGEgaGlzdG9ncmFt'), RangeError);
});

test('the percentile text equals that of hdr-histogram-js', () => {
  const values = Array.from({ length: 5000 }, (_, i) => 200 + ((i * 7919) % 4001) ** 2 / 500);
  const floored = values.map(Math.floor);
  const ours = toHgrm(histogramOf(floored)).split('\n');
  // by way of the encoding, so that the peer knows the maximum only as its bucket, as Java does
  const peer = hdr.decodeFromCompressedBase64(toBase64(histogramOf(floored)), 64, false);
  const peers = peer.outputPercentileDistribution(5, 1).split('\n');
  const statistics = (lines: string[]) => lines.filter((line) => line.startsWith('#'));
  const table = (lines: string[]) =>
    lines
      .filter((line) => !line.startsWith('#'))
      // the twelfth decimal of a percentile is a matter of rounding ties
      .map((line) =>
        line
          .trim()
          .replace(/(\.\d{11})\d /, '$1 ')
          .split(/\s+/),
      );
  assert.deepEqual(table(ours), table(peers));
  assert.deepEqual(statistics(ours), statistics(peers));
});

test('merging is addition, in any order, and subtracting undoes it', () => {
  fc.assert(
    fc.property(fc.array(latencyUs), fc.array(latencyUs), (left, right) => {
      const both = histogramOf([...left, ...right]);
      const merged = histogramOf(right).merge(histogramOf(left));
      assert.deepEqual([...merged.buckets()], [...both.buckets()]);
      const undone = merged.subtract(histogramOf(right));
      assert.deepEqual([...undone.buckets()], [...histogramOf(left).buckets()]);
      assert.equal(undone.count, left.length);
      assert.equal(undone.min, histogramOf(left).min);
      assert.equal(undone.max, histogramOf(left).max);
    }),
  );
});

test('subtracting what was never in is refused', () => {
  assert.throws(() => histogramOf([1]).subtract(histogramOf([2])), RangeError);
});

test('a delta carries all counts and the censored ones', () => {
  const source = histogramOf([3, 3, 70_000]);
  source.recordCensored(9_000, 4);
  const target = histogramOf([3]).addDelta(source.toDelta());
  assert.equal(target.count, 8);
  assert.equal(target.censored, 4);
  assert.ok(target.isLowerBound(99));
  source.reset();
  assert.equal(source.count, 0);
  assert.equal(source.censored, 0);
  assert.deepEqual([...source.buckets()], []);
});

test('only percentiles that longer censored values would move are lower bounds', () => {
  const histogram = new Histogram();
  histogram.record(10, 90);
  histogram.recordCensored(5_000, 10);
  assert.equal(histogram.isLowerBound(50), false);
  assert.equal(histogram.isLowerBound(90), false);
  assert.equal(histogram.isLowerBound(91), true);
  assert.equal(histogram.isLowerBound(100), true);
  assert.equal(histogram.percentile(95), 5_003); // highest equivalent of 5000
});

test('a censored value below the others makes lower bounds of all that it could overtake', () => {
  const histogram = new Histogram();
  histogram.recordCensored(1, 1);
  for (let value = 100; value < 200; value++) histogram.record(value);
  // its true rank is anywhere: the median would be the next bucket if it were long
  assert.equal(histogram.isLowerBound(50), true);
  assert.equal(histogram.isLowerBound(100), true);
});

test('the lower-bound flag agrees with moving all censored values to the top', () => {
  fc.assert(
    fc.property(
      fc.array(latencyUs, { minLength: 1, maxLength: 60 }),
      fc.array(latencyUs, { minLength: 1, maxLength: 30 }),
      fc.constantFrom(1, 50, 90, 95, 99),
      (exact, bounds, percent) => {
        const atBound = histogramOf(exact);
        for (const bound of bounds) atBound.recordCensored(bound);
        const atTop = histogramOf(exact);
        for (let i = 0; i < bounds.length; i++) atTop.record(HIGHEST_TRACKABLE);
        const moved = atBound.percentile(percent) !== atTop.percentile(percent);
        // both at the very top bucket cannot be told apart by value
        if (atBound.percentile(percent) < atTop.max) {
          assert.equal(atBound.isLowerBound(percent), moved);
        }
      },
    ),
  );
});

test('values out of range are clamped and counted, never dropped', () => {
  const histogram = histogramOf([-5, HIGHEST_TRACKABLE * 4]);
  assert.equal(histogram.count, 2);
  assert.equal(histogram.min, 0);
  assert.ok(histogram.max >= HIGHEST_TRACKABLE);
});

test('an empty histogram is all zeros and encodes', () => {
  const empty = new Histogram();
  assert.deepEqual([empty.count, empty.min, empty.max, empty.mean, empty.stddev], [0, 0, 0, 0, 0]);
  assert.equal(empty.percentile(99), 0);
  assert.equal(hdr.decodeFromCompressedBase64(toBase64(empty), 64, false).totalCount, 0);
});
