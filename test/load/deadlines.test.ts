import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Deadline, Deadlines } from '../../cli/load/deadlines.ts';

interface Item extends Deadline {
  name: string;
}

const item = (name: string): Item => ({ name, deadlineUs: 0, previous: null, next: null });

test('items expire in order, once, at their time; cancelled ones never', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let nowUs = 0;
    const advance = (ms: number) => {
      nowUs += ms * 1000;
      mock.timers.tick(ms);
    };
    const expired: string[] = [];
    const deadlines = new Deadlines<Item>(
      () => nowUs,
      ({ name }) => expired.push(name),
    );
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(item) as [Item, Item, Item, Item];
    deadlines.start(a, 10_000);
    deadlines.start(b, 10_500);
    deadlines.start(c, 20_000);
    deadlines.cancel(b);
    deadlines.cancel(b); // of no effect
    advance(9);
    assert.deepEqual(expired, []);
    advance(1);
    assert.deepEqual(expired, ['a']);
    deadlines.start(a, 21_000);
    deadlines.start(d, 22_000);
    deadlines.cancel(c);
    advance(11);
    assert.deepEqual(expired, ['a', 'a']);
    deadlines.cancel(d);
    advance(100);
    assert.deepEqual(expired, ['a', 'a']);
    assert.deepEqual(
      [a, b, c, d].map(({ deadlineUs }) => deadlineUs),
      [0, 0, 0, 0],
    );
  } finally {
    mock.timers.reset();
  }
});

test('an item that is started by the expiry of another gets its own time', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let nowUs = 0;
    const expired: number[] = [];
    const again = item('again');
    const deadlines = new Deadlines<Item>(
      () => nowUs,
      (_, now) => {
        expired.push(now);
        if (expired.length < 3) deadlines.start(again, now + 5000);
      },
    );
    deadlines.start(again, 5000);
    for (let i = 0; i < 20; i++) {
      nowUs += 1000;
      mock.timers.tick(1);
    }
    assert.deepEqual(expired, [5000, 10_000, 15_000]);
  } finally {
    mock.timers.reset();
  }
});
