/**
 * The posts, by queries that Drizzle builds, once. Each operation is one statement, so that it is
 * atomic on every client and needs no transaction.
 *
 * Two things are unusual, both for speed (docs/decisions/workload-queries.md has the figures). The
 * client runs the queries, not Drizzle, whose way to it is five promises long and whose mapping of rows
 * to objects costs more than the query. And a page comes as one JSON array, which SQLite builds and
 * JSON.parse reads in half the time that 80 values take to cross from one to the other.
 */
import type { Client, InStatement, InValue } from '@libsql/core/api';
import { asc, desc, eq, fillPlaceholders, gt, lt, type SQL, sql } from 'drizzle-orm';
import { construct, type Drizzle } from './drizzle.ts';
import { readSchemaVersion } from './migrate.ts';
import { posts } from './schema.ts';

/** A post as a list shows it. */
export interface Summary {
  id: number;
  /** UTC, `YYYY-MM-DD HH:MM:SS`. */
  created: string;
  title: string;
}

export interface Post extends Summary {
  content: string;
}

/** Newest first. A cursor is the id of a post beside the page; it need not exist any more. */
export interface PageQuery {
  /** Posts older than this one. */
  before?: number | undefined;
  /** The posts just newer than this one. Ignored where `before` is given. */
  after?: number | undefined;
  limit: number;
}

export interface Page<Item> {
  posts: Item[];
  hasOlder: boolean;
  hasNewer: boolean;
}

export interface PostStore {
  /** A page without the contents. */
  summaries(query: PageQuery): Promise<Page<Summary>>;
  /** A page with them. */
  list(query: PageQuery): Promise<Page<Post>>;
  byId(id: number): Promise<Post | null>;
  create(post: { title: string; content: string; created: string }): Promise<Post>;
  /** Changes the fields that are given; null where there is no such post. */
  update(id: number, change: { title?: string; content?: string }): Promise<Post | null>;
  /** The removed post; null where there is none. */
  remove(id: number): Promise<Post | null>;
  /** Reads the schema's level; throws where the database does not answer. */
  schemaVersion(): Promise<number>;
  close(): Promise<void>;
}

/** In the order of `columns`. */
type Row = [id: number, created: string, title: string, content: string];
const columns = {
  id: posts.id,
  created: posts.created,
  title: posts.title,
  content: posts.content,
};
// By index: the rows of the HTTP client are no arrays, just numbered.
const toSummary = (row: Row): Summary => ({ id: row[0], created: row[1], title: row[2] });
const toPost = (row: Row): Post => ({
  id: row[0],
  created: row[1],
  title: row[2],
  content: row[3],
});

/** What Drizzle built, with placeholders among the parameters. */
interface Built {
  sql: string;
  params: unknown[];
}

/** The same text each time, by which the client knows the statement. */
const fill = (built: Built, values: Record<string, unknown>): InStatement => ({
  sql: built.sql,
  args: fillPlaceholders(built.params, values) as InValue[],
});

export interface StoreOptions {
  /** Is told the SQL of each SELECT that gives at most one row: a client may read those faster. */
  singleRow?(query: string): void;
}

/** The store over any libSQL client: a file, or a server over HTTP. */
export function createPostStore(client: Client, { singleRow }: StoreOptions = {}): PostStore {
  const db = construct(client);
  const id = sql.placeholder('id');
  const one = db.select(columns).from(posts).where(eq(posts.id, id)).toSQL();
  const insert = db
    .insert(posts)
    .values({
      created: sql.placeholder('created'),
      title: sql.placeholder('title'),
      content: sql.placeholder('content'),
    })
    .returning(columns)
    .toSQL();
  const update = db
    .update(posts)
    .set({
      title: sql`coalesce(${sql.placeholder('title')}, ${posts.title})`,
      content: sql`coalesce(${sql.placeholder('content')}, ${posts.content})`,
    })
    .where(eq(posts.id, id))
    .returning(columns)
    .toSQL();
  const remove = db.delete(posts).where(eq(posts.id, id)).returning(columns).toSQL();
  singleRow?.(one.sql);
  const first = async (built: Built, values: Record<string, unknown>): Promise<Post | null> => {
    const row = (await client.execute(fill(built, values))).rows[0];
    return row === undefined ? null : toPost(row as unknown as Row);
  };

  return {
    summaries: pages({ db, client, singleRow }, ['id', 'created', 'title'], toSummary),
    list: pages({ db, client, singleRow }, ['id', 'created', 'title', 'content'], toPost),
    byId: (postId) => first(one, { id: postId }),
    create: async (post) => (await first(insert, post))!,
    update: (
      postId,
      { title = null, content = null }: { title?: string | null; content?: string | null },
    ) => first(update, { id: postId, title, content }),
    remove: (postId) => first(remove, { id: postId }),
    schemaVersion: () => readSchemaVersion(client),
    close: async () => client.close(),
  };
}

/** The three queries that page through the posts by key, and the choice between them. */
function pages<Item extends Summary>(
  { db, client, singleRow }: { db: Drizzle; client: Client } & StoreOptions,
  names: Array<keyof typeof columns>,
  toItem: (row: Row) => Item,
): (query: PageQuery) => Promise<Page<Item>> {
  const id = sql.placeholder('id');
  const query = (where: SQL | undefined, order: SQL) => {
    const page = db
      .select(columns)
      .from(posts)
      .where(where)
      .orderBy(order)
      .limit(sql.placeholder('limit'))
      .as('page');
    const item = sql.join(
      names.map((name) => page[name]),
      sql`, `,
    );
    const built = db
      .select({ page: sql`json_group_array(json_array(${item}))` })
      .from(page)
      .toSQL();
    singleRow?.(built.sql);
    return async (values: { id?: number; limit: number }): Promise<Row[]> => {
      const { rows } = await client.execute(fill(built, values));
      const [row] = rows as unknown as [[string]];
      return JSON.parse(row[0]) as Row[];
    };
  };
  const newest = query(undefined, desc(posts.id));
  const older = query(lt(posts.id, id), desc(posts.id));
  const newer = query(gt(posts.id, id), asc(posts.id));

  return async ({ before, after, limit }) => {
    // One more than a page is asked for: whether it comes tells if there is a next page.
    const split = (rows: Row[]) => ({
      posts: rows.slice(0, limit).map(toItem),
      more: rows.length > limit,
    });
    if (before !== undefined) {
      const { posts: found, more } = split(await older({ id: before, limit: limit + 1 }));
      return { posts: found, hasOlder: more, hasNewer: true };
    }
    if (after !== undefined) {
      const { posts: found, more } = split(await newer({ id: after, limit: limit + 1 }));
      // Fewer than a page stand above the cursor: the first page shows them, and is full.
      if (more) return { posts: found.reverse(), hasOlder: true, hasNewer: true };
    }
    const { posts: found, more } = split(await newest({ limit: limit + 1 }));
    return { posts: found, hasOlder: more, hasNewer: false };
  };
}
