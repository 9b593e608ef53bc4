import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { positionCounts, scheduleRounds } from '../../cli/stats/order.ts';

const four = ['bare', 'bare#2', 'docker', 'vm'];

function follows(schedule: string[][]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const order of schedule) {
    for (let i = 1; i < order.length; i++) {
      const pair = `${order[i - 1]} → ${order[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  }
  return counts;
}

describe('the order of rounds', () => {
  it('holds every label once a round', () => {
    for (const order of scheduleRounds(four, 25, 7)) {
      assert.deepEqual(order.toSorted(), four.toSorted());
    }
  });

  it('puts each of four labels three times in each position over 12 rounds', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      for (const counts of Object.values(positionCounts(scheduleRounds(four, 12, seed)))) {
        assert.deepEqual(counts, [3, 3, 3, 3]);
      }
    }
  });

  it('lets each of four labels follow each other three times over 12 rounds', () => {
    const counts = follows(scheduleRounds(four, 12, 9));
    assert.equal(counts.size, 12);
    assert.deepEqual(new Set(counts.values()), new Set([3]));
  });

  it('uses each of the six orders of three labels twice over 12 rounds', () => {
    const counts = new Map<string, number>();
    for (const order of scheduleRounds(['a', 'b', 'c'], 12, 4)) {
      counts.set(order.join(), (counts.get(order.join()) ?? 0) + 1);
    }
    assert.deepEqual([...counts.values()], [2, 2, 2, 2, 2, 2]);
  });

  it('is balanced to within one per begun square where rounds are cut short', () => {
    for (const labels of [['a', 'b'], ['a', 'b', 'c'], four, [...four, 'swarm']]) {
      for (let rounds = 1; rounds <= 2 * labels.length; rounds++) {
        const counts = Object.values(positionCounts(scheduleRounds(labels, rounds, 11))).flat();
        const begun = Math.ceil(rounds / labels.length);
        assert.ok(Math.max(...counts) - Math.min(...counts) <= begun, `${labels} × ${rounds}`);
      }
    }
  });

  it('is the same for the same seed, another for another, and can be extended', () => {
    assert.deepEqual(scheduleRounds(four, 12, 1), scheduleRounds(four, 12, 1));
    assert.notDeepEqual(scheduleRounds(four, 12, 1), scheduleRounds(four, 12, 2));
    assert.deepEqual(scheduleRounds(four, 20, 1).slice(0, 6), scheduleRounds(four, 6, 1));
  });

  it('is random: over seeds, each of the 24 orders opens a bench about as often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 4800; seed++) {
      const first = scheduleRounds(four, 1, seed)[0]!.join();
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    assert.equal(counts.size, 24);
    const chiSquared = [...counts.values()].reduce((sum, n) => sum + (n - 200) ** 2 / 200, 0);
    assert.ok(chiSquared < 49.7, `χ² = ${chiSquared} with 23 degrees of freedom (p < 0.001)`);
  });

  it('works for one label and refuses none, doubles and half rounds', () => {
    assert.deepEqual(scheduleRounds(['bare'], 2, 1), [['bare'], ['bare']]);
    assert.deepEqual(scheduleRounds(['bare'], 0, 1), []);
    assert.throws(() => scheduleRounds([], 3, 1), RangeError);
    assert.throws(() => scheduleRounds(['a', 'a'], 3, 1), RangeError);
    assert.throws(() => scheduleRounds(['a'], 1.5, 1), RangeError);
  });
});
