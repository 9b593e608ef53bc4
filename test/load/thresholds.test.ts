import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScratchpadError } from '../../cli/errors.ts';
import { evaluateThresholds, parseThreshold } from '../../cli/load/thresholds.ts';

type Measured = Parameters<typeof evaluateThresholds>[1];

const MEASUREMENT = {
  counts: { planned: 1000, sent: 990, unsent: 10, answered: 970, failed: 15, open: 5 },
  requestsPerSecond: 97,
  latencyUs: {
    response: { count: 1000, p50: 12_000, p99: 49_999, mean: 13_000, lowerBounds: ['p99'] },
  },
} as unknown as Measured;

const verdictOf = (expression: string, measurement = MEASUREMENT) =>
  evaluateThresholds([parseThreshold(expression)], measurement)[0]!;

test('latencies, errors and rates are compared in their units', () => {
  assert.deepEqual(verdictOf('p50<12.001ms'), {
    expression: 'p50<12.001ms',
    actual: 12_000,
    passed: true,
  });
  assert.equal(verdictOf('p50<12ms').passed, false);
  assert.equal(verdictOf('p50<=12ms').passed, true);
  assert.equal(verdictOf('mean < 1s').passed, true);
  assert.equal(verdictOf('mean>13000us').passed, false);
  assert.equal(verdictOf('rps>96.5').passed, true);
  assert.equal(verdictOf('rps>=98').passed, false);
  assert.equal(verdictOf('failed<=15').passed, true);
});

test('failed, unsent and unanswered requests are all errors: nobody got an answer', () => {
  assert.equal(verdictOf('errors<3%').actual, 0.03);
  assert.equal(verdictOf('errors<=3%').passed, true);
  assert.equal(verdictOf('errors<3%').passed, false);
});

test('a percentile that is only a lower bound cannot pass as small enough', () => {
  assert.equal(verdictOf('p99<50ms').actual, 49_999);
  assert.equal(verdictOf('p99<50ms').passed, false);
  assert.equal(verdictOf('p99<50ms').isLowerBound, true);
  assert.equal(verdictOf('p50<50ms').isLowerBound, undefined);
  assert.equal(verdictOf('p99>40ms').passed, true);
});

test('where nothing was measured nothing passes', () => {
  const nothing = {
    counts: { planned: 0, sent: 0, unsent: 0, answered: 0, failed: 0, open: 0 },
    requestsPerSecond: 0,
    latencyUs: { response: { count: 0, p99: 0, lowerBounds: [] } },
  } as unknown as Measured;
  for (const expression of ['p99<1s', 'errors<1%']) {
    const { actual, passed } = verdictOf(expression, nothing);
    assert.deepEqual(actual, { unavailable: 'nothing was measured' });
    assert.equal(passed, false);
  }
});

test('what is not a threshold is a usage error with an example', () => {
  for (const expression of [
    '',
    'p99',
    'p99<50',
    'p98<5ms',
    'errors<1',
    'rps>5ms',
    'p99=5ms',
    'p99<-1ms',
  ]) {
    assert.throws(
      () => parseThreshold(expression),
      (error) =>
        error instanceof ScratchpadError &&
        error.code === 'BAD_FLAG' &&
        /p99<50ms/.test(error.hint ?? ''),
      expression,
    );
  }
});
