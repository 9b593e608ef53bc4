/** What a load's exit code is about, the gravest first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../cli/load/judge.ts';
import type { LoadRecord } from '../../cli/record/schema.ts';

const RECORD = {
  counts: { answered: 10 },
  errors: {},
  generator: { clientLimited: false, reasons: [] },
  integrity: { acknowledged: 5, verified: 5, lost: 0, details: [] },
};
const WELL = { died: null, ailment: null };
const NOT_MET = [{ expression: 'p99<1ms', passed: false }];

function judged(changes: object, aftermath: Parameters<typeof judge>[1] = WELL, checks = NOT_MET) {
  const record = { ...RECORD, ...changes } as unknown as LoadRecord;
  return judge(record, aftermath, checks, new AbortController().signal);
}

const limited = (reason: string) => ({ generator: { clientLimited: true, reasons: [reason] } });
const lost = { integrity: { ...RECORD.integrity, lost: 2, details: ['read: HTTP_404 (id=1)'] } };

test('nothing is wrong where nothing is', () => {
  assert.equal(judged({}, WELL, []), null);
});

test('the gravest is told: death, no answer, lost writes, the generator, a threshold', () => {
  const all = { ...lost, ...limited('lag') };
  const died = { died: { detail: 'ended by SIGKILL' }, ailment: null };
  assert.equal(judged({ ...all, counts: { answered: 0 } }, died)!.code, 'TARGET_DIED');
  assert.equal(judged({ ...all, counts: { answered: 0 } })!.code, 'ALL_REQUESTS_FAILED');
  assert.equal(judged(all)!.code, 'WRITES_LOST');
  assert.equal(judged(limited('lag'))!.code, 'CLIENT_LIMITED');
  assert.equal(judged({})!.code, 'THRESHOLD_FAILED');
});

test('lost writes end with 4, and say how many and which', () => {
  const error = judged(lost)!;
  assert.equal(error.exitCode, 4);
  assert.equal(error.message, '2 acknowledged writes were lost');
  assert.equal(error.cause, 'read: HTTP_404 (id=1)');
});

test('what the target died of is the code, and what ails it the cause', () => {
  const full = { died: { detail: 'paused: no space', code: 'DISK_FULL' as const }, ailment: null };
  assert.equal(judged({}, full)!.code, 'DISK_FULL');
  const ailment = '/readyz answers 507: DISK_FULL';
  assert.equal(judged({}, { died: null, ailment })!.cause, ailment);
  const none = judged(
    { counts: { answered: 0 }, errors: { HTTP_507: 3 } },
    { died: null, ailment },
  );
  assert.equal(none!.cause, `{"HTTP_507":3}; ${ailment}`);
});

test('a generator without file descriptors is told how to get more', () => {
  const error = judged({ ...limited('EMFILE'), errors: { EMFILE: 4 } })!;
  assert.match(error.hint!, /`ulimit -n`.*the record is void/);
  assert.match(judged(limited('lag'))!.hint!, /Lower --rate/);
});
