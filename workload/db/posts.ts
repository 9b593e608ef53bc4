/**
 * The posts, through Drizzle's prepared queries. Each operation is one statement, so that it is
 * atomic on every client and needs no transaction.
 *
 * The queries run with `values()`, which hands over the driver's rows as they are: Drizzle's own
 * mapping of rows to objects costs more than the query (docs/decisions/workload-held-statements.md).
 * The mappers below follow the order of the columns selected beside them.
 */
import type { Client } from '@libsql/core/api';
import { asc, desc, eq, gt, lt, sql } from 'drizzle-orm';
import { construct } from './drizzle.ts';
import { readSchemaVersion } from './migrate.ts';
import { posts } from './schema.ts';

export interface Post {
  id: number;
  /** UTC, `YYYY-MM-DD HH:MM:SS`. */
  created: string;
  title: string;
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

export interface Page {
  posts: Post[];
  hasOlder: boolean;
  hasNewer: boolean;
}

export interface PostStore {
  page(query: PageQuery): Promise<Page>;
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

type Row = [id: number, created: string, title: string, content: string];

const toPost = (row: Row): Post => ({
  id: row[0],
  created: row[1],
  title: row[2],
  content: row[3],
});

const fields = {
  id: posts.id,
  created: posts.created,
  title: posts.title,
  content: posts.content,
};

/** The store over any libSQL client: a file, or a server over HTTP. */
export function createPostStore(client: Client): PostStore {
  const db = construct(client);
  const limit = sql.placeholder('limit');
  const id = sql.placeholder('id');

  const newest = db.select(fields).from(posts).orderBy(desc(posts.id)).limit(limit).prepare();
  const older = db
    .select(fields)
    .from(posts)
    .where(lt(posts.id, id))
    .orderBy(desc(posts.id))
    .limit(limit)
    .prepare();
  const newer = db
    .select(fields)
    .from(posts)
    .where(gt(posts.id, id))
    .orderBy(asc(posts.id))
    .limit(limit)
    .prepare();
  const one = db.select(fields).from(posts).where(eq(posts.id, id)).prepare();
  const insert = db
    .insert(posts)
    .values({
      created: sql.placeholder('created'),
      title: sql.placeholder('title'),
      content: sql.placeholder('content'),
    })
    .returning(fields)
    .prepare();
  const update = db
    .update(posts)
    .set({
      title: sql`coalesce(${sql.placeholder('title')}, ${posts.title})`,
      content: sql`coalesce(${sql.placeholder('content')}, ${posts.content})`,
    })
    .where(eq(posts.id, id))
    .returning(fields)
    .prepare();
  const remove = db.delete(posts).where(eq(posts.id, id)).returning(fields).prepare();

  const first = (rows: Row[]): Post | null => (rows[0] === undefined ? null : toPost(rows[0]));
  // One more than a page is asked for: whether it comes tells if there is a next page.
  const split = (rows: Row[], size: number) => ({
    posts: rows.slice(0, size).map(toPost),
    more: rows.length > size,
  });

  return {
    async page(query) {
      const ask = query.limit + 1;
      if (query.before !== undefined) {
        const rows = (await older.values({ id: query.before, limit: ask })) as Row[];
        const { posts: page, more } = split(rows, query.limit);
        return { posts: page, hasOlder: more, hasNewer: true };
      }
      if (query.after !== undefined) {
        const rows = (await newer.values({ id: query.after, limit: ask })) as Row[];
        const { posts: page, more } = split(rows, query.limit);
        // Fewer than a page stand above the cursor: the first page shows them, and is full.
        if (more) return { posts: page.reverse(), hasOlder: true, hasNewer: true };
      }
      const { posts: page, more } = split(
        (await newest.values({ limit: ask })) as Row[],
        query.limit,
      );
      return { posts: page, hasOlder: more, hasNewer: false };
    },
    byId: async (postId) => first((await one.values({ id: postId })) as Row[]),
    create: async (post) => first((await insert.values(post)) as Row[])!,
    update: async (postId, change) =>
      first(
        (await update.values({
          id: postId,
          title: change.title ?? null,
          content: change.content ?? null,
        })) as Row[],
      ),
    remove: async (postId) => first((await remove.values({ id: postId })) as Row[]),
    schemaVersion: () => readSchemaVersion(client),
    close: async () => client.close(),
  };
}
