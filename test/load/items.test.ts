/** Which item a request gets, and that what is remembered has a bound. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { creatorsOf, type ItemUse } from '../../cli/load/creators.ts';
import { ItemStore, MAX_LIVE, newUser, TOMBSTONES } from '../../cli/load/item-store.ts';
import { parseScenario } from '../../cli/load/scenario.ts';

function item(...names: string[]) {
  const user = newUser();
  for (const name of names) user.variables.set(name, `${name} of it`);
  return user;
}

describe('items', () => {
  const POST = 0;
  const COMMENT = 1;
  const EITHER = 2;
  const storeOf = () => new ItemStore([['id'], ['comment'], []], 1);

  it('go only to operations whose variables they hold', () => {
    const store = storeOf();
    const [post, comment] = [item('id', 'title'), item('comment')];
    store.keep(post);
    store.keep(comment);
    assert.deepEqual(store.liveFor(POST), [post]);
    assert.deepEqual(store.liveFor(COMMENT), [comment]);
    assert.deepEqual(store.liveFor(EITHER), [post, comment]);
    assert.equal(store.takeLive(COMMENT, 7), comment);
    assert.equal(store.takeLive(COMMENT, 8), null);
    assert.equal(store.takeLive(POST, 9), post);
    assert.equal(store.liveCount, 0);
  });

  it('are of another kind once they hold more', () => {
    const store = storeOf();
    const post = item('id');
    store.keep(post);
    assert.equal(store.takeLive(POST, 0), post);
    post.variables.set('comment', '5');
    store.keep(post);
    assert.deepEqual(store.liveFor(COMMENT), [post]);
    assert.deepEqual(store.liveFor(POST), [post]);
  });

  it('that are deleted stay to be asked for, the newest in place of the oldest', () => {
    const store = storeOf();
    const all = Array.from({ length: TOMBSTONES + 1 }, () => item('id'));
    for (const user of all) store.bury(user);
    assert.equal(store.deletedFor(POST).length, TOMBSTONES);
    assert.ok(!store.deletedFor(POST).includes(all[0]!));
    assert.ok(store.deletedFor(POST).includes(all.at(-1)!));
    assert.ok(store.drawDeleted(POST, 3) !== null);
    assert.equal(store.drawDeleted(COMMENT, 3), null);
  });

  it('have a bound, and those that make room are counted', () => {
    const store = storeOf();
    for (let i = 0; i < MAX_LIVE + 25; i++) store.keep(item('id'));
    assert.equal(store.liveCount, MAX_LIVE);
    assert.equal(store.forgotten, 25);
  });
});

describe('the create that an operation falls back on', () => {
  const use = (
    effect: ItemUse['effect'],
    needs: string[] = [],
    provides: string[] = [],
  ): ItemUse => ({ effect, needs, provides });

  it('is one that gives all that it needs, by way of others where it must', () => {
    const operations = [
      use('none', ['comment', 'id']),
      use('create', ['id'], ['comment']),
      use('create', [], ['id', 'title']),
      use('none', ['title']),
      use('none'),
    ];
    assert.deepEqual(creatorsOf(operations), [1, 2, -1, 2, -1]);
  });

  it('is none where only several together would give it, or where two need each other', () => {
    assert.deepEqual(
      creatorsOf([
        use('create', [], ['a']),
        use('create', [], ['b']),
        use('none', ['a', 'b']),
        use('create', ['d'], ['c']),
        use('create', ['c'], ['d']),
      ]),
      [-1, -1, null, null, null],
    );
  });

  it('must be there, or the scenario is refused', () => {
    const create = (name: string) => ({
      name,
      method: 'POST',
      path: '/',
      capture: { [name]: { from: 'location' } },
    });
    const operations = [create('a'), create('b'), { name: 'both', path: '/{{a}}/{{b}}' }];
    assert.throws(
      () => parseScenario({ schemaVersion: 1, name: 'x', operations }),
      /"both" uses \{\{a\}\} and \{\{b\}\}, which no creating operation captures or sets together/,
    );
  });
});
