import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowUs } from '../../cli/load/clock.ts';
import { Pacer } from '../../cli/load/pacer.ts';

/** Let a pacer follow `dueUs` (after its start); returns when each was taken up, and the spin. */
async function follow(
  dueUs: number[],
  clock = nowUs,
): Promise<{ startUs: number; at: number[]; spinUs: number }> {
  const at: number[] = [];
  const startUs = clock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const pacer: Pacer = new Pacer(
    clock,
    (now) => {
      while (at.length < dueUs.length && startUs + dueUs[at.length]! <= now) {
        pacer.noteWork();
        at.push(now);
      }
      return at.length < dueUs.length ? startUs + dueUs[at.length]! : Number.POSITIVE_INFINITY;
    },
    resolve,
  );
  pacer.start();
  await promise;
  return { startUs, at, spinUs: pacer.spinUs };
}

test('nothing is ever early, whether waited for by timer or by turns of the loop', async () => {
  const dueUs = [0, 100, 250, 1000, 4000, 4001, 9000, 9500, 21_000];
  const { startUs, at } = await follow(dueUs);
  assert.equal(at.length, dueUs.length);
  at.forEach((takenUs, i) => {
    assert.ok(takenUs >= startUs + dueUs[i]!, `request ${i}`);
  });
});

test('waiting in turns of the loop is counted as spin, work is not', async () => {
  // a clock that goes 100 µs with each look at it: 2000 µs are 20 turns at most
  let fakeUs = 0;
  const { at, spinUs } = await follow([0, 2000, 4000, 6000], () => {
    fakeUs += 100;
    return fakeUs;
  });
  assert.equal(at.length, 4);
  assert.ok(spinUs > 4000 && spinUs <= 6000, `spin ${spinUs}`);
});

test('waiting by timer is not counted as spin', async () => {
  const { spinUs } = await follow([0, 60_000]);
  assert.ok(spinUs < 10_000, `spin ${spinUs}`);
});
