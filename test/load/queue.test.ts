import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanInput } from '../../cli/load/plan.ts';
import { PlanQueue } from '../../cli/load/queue.ts';
import { INDEX_SCENARIO } from '../../cli/load/scenario.ts';

const START = 1_000_000;

function queueOf(ratePerSecond: number, durationMs: number): PlanQueue {
  const plan: PlanInput = {
    loop: 'open',
    ratePerSecond,
    arrival: 'constant',
    connections: 1,
    durationMs,
    warmupMs: 0,
    seed: 1,
    scenario: INDEX_SCENARIO,
  };
  return new PlanQueue(plan, 0, 1, START);
}

test('requests wait in the order of the plan, with their times', () => {
  const queue = queueOf(1000, 5);
  assert.equal(queue.dueUs, START);
  queue.takeUp(START + 10);
  queue.takeUp(START + 1020);
  assert.equal(queue.length, 2);
  assert.equal(queue.dueUs, START + 2000);
  assert.deepEqual([queue.index, queue.intendedUs, queue.takenUs], [0, START, START + 10]);
  queue.shift();
  assert.deepEqual([queue.index, queue.intendedUs, queue.takenUs], [1, START + 1000, START + 1020]);
  queue.shift();
  assert.equal(queue.length, 0);
});

test('at its end the queue tells what was taken up and not sent, and what was not even that', () => {
  const queue = queueOf(1000, 5);
  for (let i = 0; i < 3; i++) queue.takeUp(START + i * 1000);
  queue.shift();
  assert.deepEqual(
    [...queue.unsent(Number.POSITIVE_INFINITY)],
    [
      { intendedUs: START + 1000, wasTaken: true },
      { intendedUs: START + 2000, wasTaken: true },
      { intendedUs: START + 3000, wasTaken: false },
      { intendedUs: START + 4000, wasTaken: false },
    ],
  );
});

test('an interrupted plan is not held to what was not yet due', () => {
  const queue = queueOf(1000, 5);
  assert.equal([...queue.unsent(START + 2500)].length, 3);
});

test('a backlog beyond what is remembered keeps every intended time and drops nothing', () => {
  const queue = queueOf(100_000, 2000);
  while (Number.isFinite(queue.dueUs)) queue.takeUp(queue.dueUs + 7);
  assert.equal(queue.length, 200_000);
  assert.equal(queue.takenUs, queue.intendedUs, 'too far back to know its lag: counts as wait');
  for (let i = 0; i < 199_999; i++) queue.shift();
  assert.equal(queue.index, 199_999);
  assert.equal(queue.takenUs, queue.intendedUs + 7);
});
