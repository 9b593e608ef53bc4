/**
 * The tables as Drizzle sees them. The SQL that creates them is in migrations.ts; a test compares
 * the two. `posts` is the predecessor's table, column for column, so that its database opens here.
 */
import { sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const posts = sqliteTable('posts', {
  id: integer().primaryKey({ autoIncrement: true }),
  /** UTC, `YYYY-MM-DD HH:MM:SS`: what SQLite's CURRENT_TIMESTAMP writes. */
  created: text().notNull().default(sql`CURRENT_TIMESTAMP`),
  title: text().notNull(),
  content: text().notNull(),
});

/** One row for each migration that has been applied. The highest version is the schema's level. */
export const migrations = sqliteTable('migrations', {
  version: integer().primaryKey(),
  name: text().notNull(),
  applied: text().notNull().default(sql`CURRENT_TIMESTAMP`),
});
