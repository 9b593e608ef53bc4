/** Schema, migrations, seed and the file client. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { getTableConfig } from 'drizzle-orm/sqlite-core';
import { databaseErrorKind } from '../../workload/db/errors.ts';
import { migrate, readSchemaVersion } from '../../workload/db/migrate.ts';
import { MIGRATIONS, SCHEMA_VERSION } from '../../workload/db/migrations.ts';
import { closeFile, openFile, pathOf } from '../../workload/db/open-file.ts';
import { createPostStore } from '../../workload/db/posts.ts';
import * as schema from '../../workload/db/schema.ts';

const Database = createRequire(import.meta.url)('libsql') as new (
  path: string,
) => { exec(sql: string): void; close(): void };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'scratchpad-db-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const open = (url: string) => openFile({ url, synchronous: 'normal', busyTimeoutMs: 5000 });
const rowsOf = async (client: Awaited<ReturnType<typeof open>>, sql: string) =>
  (await client.execute(sql)).rows as unknown as unknown[][];

test('the SQL of the migrations makes the tables that Drizzle is told of', async () => {
  const client = await open('file::memory:');
  await migrate(client);
  for (const table of [schema.posts, schema.migrations]) {
    const { name, columns } = getTableConfig(table);
    const actual = await rowsOf(client, `PRAGMA table_info(${name})`);
    assert.deepEqual(
      actual.map(([, column, , notNull, , key]) => [column, notNull === 1 || key === 1, key === 1]),
      columns.map((column) => [column.name, column.notNull, column.primary]),
      name,
    );
  }
});

test('a new database is migrated and seeded once', async () => {
  const client = await open('file::memory:');
  const seed = [
    { title: 'First Post', content: 'a' },
    { title: 'Second Post', content: 'b' },
  ];
  assert.deepEqual(await migrate(client, { seed }), { from: 0, to: SCHEMA_VERSION, applied: [1] });
  const again = await migrate(client, { seed });
  assert.deepEqual(again, { from: SCHEMA_VERSION, to: SCHEMA_VERSION, applied: [] });
  const store = createPostStore(client);
  const { posts } = await store.list({ limit: 10 });
  assert.deepEqual(
    posts.map(({ id, title }) => [id, title]),
    [
      [2, 'Second Post'],
      [1, 'First Post'],
    ],
  );
});

test('the predecessor’s database is adopted with its posts, and gets no seed', async (t) => {
  const path = join(folder(t), 'database.db');
  const old = new Database(path);
  old.exec(`CREATE TABLE posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    title TEXT NOT NULL,
    content TEXT NOT NULL
  ); INSERT INTO posts (title, content) VALUES ('Mine', 'kept')`);
  old.close();
  const client = await open(`file:${path}`);
  await migrate(client, { seed: [{ title: 'Seed', content: '' }] });
  const { posts } = await createPostStore(client).list({ limit: 10 });
  assert.deepEqual(
    posts.map(({ title, content }) => [title, content]),
    [['Mine', 'kept']],
  );
  await closeFile(client);
});

test('a database of a newer program is refused, unchanged', async () => {
  const client = await open('file::memory:');
  await migrate(client, {
    steps: [...MIGRATIONS, { version: 99, name: 'later', statements: [] }],
  });
  await assert.rejects(migrate(client), /schema version 99, this program knows 1/);
  assert.equal(await readSchemaVersion(client), 99);
});

test('a migration that fails half way leaves nothing of itself', async () => {
  const client = await open('file::memory:');
  const broken = {
    version: SCHEMA_VERSION + 1,
    name: 'broken',
    statements: ['CREATE TABLE half (x)', 'INSERT INTO nowhere VALUES (1)'],
  };
  await assert.rejects(migrate(client, { steps: [...MIGRATIONS, broken] }), /nowhere/);
  assert.equal(await readSchemaVersion(client), SCHEMA_VERSION);
  assert.deepEqual(await rowsOf(client, "SELECT 1 FROM sqlite_master WHERE name = 'half'"), []);
});

test('clients that migrate one file at the same time all succeed, and one of them does it', async (t) => {
  const url = `file:${join(folder(t), 'race.db')}`;
  const clients = await Promise.all(Array.from({ length: 8 }, () => open(url)));
  const results = await Promise.all(
    clients.map((client) => migrate(client, { seed: [{ title: 'Only once', content: '' }] })),
  );
  assert.deepEqual(
    results.flatMap(({ applied }) => applied),
    [1],
  );
  assert.equal((await createPostStore(clients[0]!).list({ limit: 10 })).posts.length, 1);
  for (const client of clients) client.close();
});

test('the file is opened in WAL mode with the asked durability', async (t) => {
  const path = folder(t);
  for (const [synchronous, level] of [
    ['normal', 1],
    ['full', 2],
  ] as const) {
    const client = await openFile({
      url: `file:${join(path, `${synchronous}.db`)}`,
      synchronous,
      busyTimeoutMs: 1234,
    });
    assert.deepEqual(await rowsOf(client, 'PRAGMA journal_mode'), [['wal']]);
    assert.deepEqual(await rowsOf(client, 'PRAGMA synchronous'), [[level]]);
    assert.deepEqual(await rowsOf(client, 'PRAGMA busy_timeout'), [[1234]]);
    await closeFile(client);
  }
});

test('what one client has written another sees at once, and no held statement blocks a checkpoint', async (t) => {
  const url = `file:${join(folder(t), 'shared.db')}`;
  const [one, two] = [await open(url), await open(url)];
  await migrate(one);
  const store = createPostStore(one, { singleRow: (query) => one.expectSingleRow(query) });
  const other = createPostStore(two, { singleRow: (query) => two.expectSingleRow(query) });
  for (let i = 0; i < 30; i++) {
    const post = await store.create({
      title: `t${i}`,
      content: 'c',
      created: '2026-01-02 00:00:00',
    });
    assert.equal((await other.byId(post.id))?.title, `t${i}`);
    assert.equal((await other.summaries({ limit: 5 })).posts[0]?.title, `t${i}`);
    await store.update(post.id, { title: `u${i}` });
    assert.equal((await other.byId(post.id))?.title, `u${i}`);
    assert.deepEqual(await rowsOf(one, 'PRAGMA wal_checkpoint(TRUNCATE)'), [[0, 0, 0]]);
  }
  await other.remove(1);
  assert.equal(await store.byId(1), null);
  one.close();
  two.close();
});

test('an interactive transaction is refused: it would hold the only connection', async () => {
  const client = await open('file::memory:');
  await assert.rejects(client.transaction(), /use batch\(\)/);
});

test('a statement that fails does so with libSQL’s code, and the next one works', async () => {
  const client = await open('file::memory:');
  await migrate(client);
  const insert = 'INSERT INTO migrations (version, name) VALUES (1, 1)';
  await assert.rejects(
    client.execute(insert),
    (error) => databaseErrorKind(error) === 'constraint',
  );
  await assert.rejects(client.execute('SELEC 1'), (error) => databaseErrorKind(error) === 'other');
  assert.deepEqual(await rowsOf(client, 'SELECT 1'), [[1]]);
  client.close();
  await assert.rejects(
    client.execute('SELECT 1'),
    (error) => databaseErrorKind(error) === 'unavailable',
  );
});

test('statements beyond the bound are forgotten, not kept for ever', async () => {
  const client = await open('file::memory:');
  for (let i = 0; i < 500; i++) assert.deepEqual(await rowsOf(client, `SELECT ${i}`), [[i]]);
});

test('a database URL is a path in every form that file: has', () => {
  assert.equal(pathOf('file:posts.db'), 'posts.db');
  assert.equal(pathOf('file:/data/posts.db'), '/data/posts.db');
  assert.equal(pathOf('file:///data/my%20posts.db'), '/data/my posts.db');
  assert.equal(pathOf('file::memory:'), ':memory:');
});
