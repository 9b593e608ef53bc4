/** What `load` prints: nothing that a reader must know is in the record alone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { summarise } from '../../cli/load/aggregate.ts';
import { formatLoad } from '../../cli/load/summary-text.ts';
import type { LoadRecord } from '../../cli/record/schema.ts';
import { Histogram } from '../../cli/stats/histogram.ts';

function latency(values: number[], censored: number[] = []) {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  for (const value of censored) histogram.recordCensored(value);
  return summarise(histogram);
}

const RECORD = {
  target: { name: 'url', url: 'http://127.0.0.1:1/', path: 'unknown' },
  plan: { loop: 'open', ratePerSecond: 5, connections: 64, durationMs: 1000 },
  counts: { planned: 5, sent: 5, unsent: 0, answered: 5, failed: 0, open: 0 },
  requestsPerSecond: 5,
  bytesPerSecond: 500,
  latencyUs: { response: latency([1000]), service: latency([900]), lag: latency([5]) },
  errors: {},
  limiter: 'none',
  integrity: null,
  interrupted: false,
  warnings: [],
};

const printed = (changes: object) =>
  formatLoad({ ...RECORD, ...changes } as unknown as LoadRecord).split('\n');
const lineOf = (changes: object, start: string) =>
  printed(changes).find((line) => line.startsWith(start));

describe('the summary of a load', () => {
  it('puts ≥ before each figure that unanswered requests make a lower bound, and no other', () => {
    // 95 answered in 1 ms, 5 still open after 2 s: p95 is known
    const response = latency(Array<number>(95).fill(1000), Array<number>(5).fill(2_000_000));
    const line = lineOf({ latencyUs: { ...RECORD.latencyUs, response } }, 'response')!;
    assert.match(line, /mean ≥ 10\d\.\d\d, p50 1\.00, p95 1\.00, p99 ≥ 200\d\.\d\d, max ≥ 200\d/);
    assert.doesNotMatch(lineOf({}, 'response')!, /≥/);
  });

  it('names what limited the load, where something did', () => {
    assert.equal(lineOf({ limiter: 'target' }, 'limit'), 'limit      the target');
    assert.match(lineOf({ limiter: 'host' }, 'limit')!, /CPUs were all busy/);
    assert.equal(lineOf({}, 'limit'), undefined);
    assert.equal(lineOf({ limiter: undefined }, 'limit'), undefined);
  });

  it('says whether acknowledged writes were lost, and which', () => {
    const integrity = { acknowledged: 60, verified: 90, lost: 0, details: [] };
    assert.equal(
      lineOf({ integrity }, 'integrity'),
      'integrity  60 writes acknowledged, 90 checks passed, none lost',
    );
    const lost = { ...integrity, lost: 2, details: ['read: HTTP_404 (id=7\u001b[2J)'] };
    const lines = printed({ integrity: lost });
    const at = lines.findIndex((line) => line.startsWith('integrity'));
    assert.match(lines[at]!, /2 LOST$/);
    assert.equal(lines[at + 1], '           read: HTTP_404 (id=7)');
    assert.equal(lineOf({}, 'integrity'), undefined);
  });

  it('tells the value beside each threshold, in its unit', () => {
    const thresholds = [
      { expression: 'p99<50ms', actual: 60_000, isLowerBound: true, passed: false },
      { expression: 'errors<0.1%', actual: 0.0004, passed: true },
      { expression: 'rps>100', actual: 97.26, passed: false },
      { expression: 'failed<=3', actual: 2, passed: true },
      { expression: 'p50<1s', actual: { unavailable: 'nothing was measured' }, passed: false },
    ];
    assert.deepEqual(
      printed({ thresholds }).filter((line) => line.startsWith('threshold')),
      [
        'threshold  NOT MET  p99<50ms (≥ 60.00 ms)',
        'threshold  met  errors<0.1% (0.04 %)',
        'threshold  NOT MET  rps>100 (97.3/s)',
        'threshold  met  failed<=3 (2)',
        'threshold  NOT MET  p50<1s (nothing was measured)',
      ],
    );
  });
});
