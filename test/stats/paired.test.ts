import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { comparePaired } from '../../cli/stats/paired.ts';
import { verdictOf } from '../../cli/stats/verdict.ts';

const base = [100, 103, 98, 101, 99, 102];
const noise = [1.004, 0.997, 1.002, 0.999, 1.003, 0.996];

function scaled(factor: number): number[] {
  return base.map((value, i) => value * factor * noise[i]!);
}

describe('a paired comparison', () => {
  it('finds a factor of two', () => {
    const found = comparePaired(scaled(2), base, { better: 'lower' });
    assert.equal(found.verdict, 'differs');
    assert.equal(found.method, 'signed-rank');
    assert.ok(Math.abs(found.ratio! - 2) < 0.01);
    assert.ok(found.interval95![0] < 2 && found.interval95![1] > 2);
    assert.equal(found.pValue, 2 / 64);
    assert.equal(found.confidence95, 1 - 2 / 64);
    assert.deepEqual([found.n, found.wins, found.ties], [6, 0, 0]);
  });

  it('says the same of b against a, upside down', () => {
    const one = comparePaired(scaled(1.3), base, { better: 'lower' });
    const other = comparePaired(base, scaled(1.3), { better: 'lower' });
    assert.ok(Math.abs(one.ratio! * other.ratio! - 1) < 1e-12);
    assert.ok(Math.abs(one.interval95![0] * other.interval95![1] - 1) < 1e-12);
    assert.equal(one.pValue, other.pValue);
    assert.equal(one.wins + other.wins, 6);
  });

  it('calls 3 % that is certain equivalent at a margin of 5 %, and different at 1 %', () => {
    assert.equal(comparePaired(scaled(1.03), base, { better: 'lower' }).verdict, 'equivalent');
    assert.equal(
      comparePaired(scaled(1.03), base, { better: 'lower', margin: 0.01 }).verdict,
      'differs',
    );
  });

  it('calls it inconclusive where the rounds scatter, and says what it could have seen', () => {
    const wild = base.map((value, i) => value * [1.3, 0.8, 1.1, 0.7, 1.2, 0.9][i]!);
    const found = comparePaired(wild, base, { better: 'lower' });
    assert.equal(found.verdict, 'inconclusive');
    assert.ok(found.detectableRatio! > 1.2);
  });

  it('counts wins by what is better', () => {
    assert.equal(comparePaired(scaled(2), base, { better: 'higher' }).wins, 6);
    assert.equal(comparePaired(base, base, { better: 'higher' }).ties, 6);
  });

  it('draws no conclusion below six rounds, but shows the paired t interval', () => {
    const found = comparePaired(scaled(2).slice(0, 5), base.slice(0, 5), { better: 'lower' });
    assert.equal(found.verdict, 'no-inference');
    assert.equal(found.method, 'paired-t');
    assert.ok(found.interval95![0] > 1.9 && found.interval95![1] < 2.1);
    assert.match(found.reason!, /5 of the 6 rounds/);
  });

  it('gives a ratio and no interval for one round', () => {
    const found = comparePaired([3], [2], { better: 'lower' });
    assert.equal(found.ratio, 1.5);
    assert.deepEqual([found.interval95, found.pValue, found.method], [null, null, 'none']);
  });

  it('leaves out rounds that lack a side', () => {
    const found = comparePaired([...scaled(2), 5, null], [...base, null, 7], { better: 'lower' });
    assert.equal(found.n, 6);
  });

  it('makes no ratio from zeros, nothing or infinity', () => {
    assert.match(comparePaired([0, 1], [1, 1], { better: 'lower' }).reason!, /zero or below/);
    assert.equal(comparePaired([], [], { better: 'lower' }).ratio, null);
    assert.equal(comparePaired([Number.NaN], [1], { better: 'lower' }).n, 0);
    assert.equal(comparePaired([Number.POSITIVE_INFINITY], [1], { better: 'lower' }).n, 0);
  });

  it('refuses sides of different lengths', () => {
    assert.throws(() => comparePaired([1], [1, 2], { better: 'lower' }), RangeError);
  });

  it('treats identical values as equivalent', () => {
    const found = comparePaired(base, base, { better: 'lower' });
    assert.equal(found.verdict, 'equivalent');
    assert.deepEqual(found.interval95, [1, 1]);
    assert.equal(found.detectableRatio, 1);
  });
});

describe('the verdict', () => {
  it('follows the declared rule', () => {
    assert.equal(verdictOf([0.97, 1.03], [0.98, 1.02], 0.05), 'equivalent');
    assert.equal(verdictOf([1.01, 1.045], [1.012, 1.04], 0.05), 'equivalent');
    assert.equal(verdictOf([1.06, 1.2], [1.07, 1.19], 0.05), 'differs');
    assert.equal(verdictOf([0.8, 0.95], [0.81, 0.94], 0.05), 'differs');
    assert.equal(verdictOf([1.01, 1.2], [1.02, 1.19], 0.05), 'differs-perhaps-negligibly');
    assert.equal(verdictOf([0.9, 1.2], [0.91, 1.19], 0.05), 'inconclusive');
  });

  it('has a margin that is symmetrical for a ratio and its inverse', () => {
    assert.equal(verdictOf([0.95, 0.951], [0.95, 0.951], 0.05), 'differs');
    assert.equal(verdictOf([0.953, 0.954], [0.953, 0.954], 0.05), 'equivalent');
  });
});
