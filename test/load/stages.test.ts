import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStages } from '../../cli/load/stages.ts';

test('a stage is a step, or a ramp in a line', () => {
  assert.deepEqual(parseStages('30s:0..500, 1m:500,500ms:500..0'), [
    { durationMs: 30_000, fromRate: 0, toRate: 500 },
    { durationMs: 60_000, fromRate: 500, toRate: 500 },
    { durationMs: 500, fromRate: 500, toRate: 0 },
  ]);
});

test('what is not a stage is refused', () => {
  for (const text of ['', '30:5', '30s', '0s:5', '10s:-1', '10s:5..', '10s:0', '10s:5,,']) {
    assert.throws(() => parseStages(text), { code: 'BAD_FLAG' }, text);
  }
});
