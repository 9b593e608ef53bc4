/** Every schema step, in order, as SQL. Never edit one that has been released: add the next. */
export interface Migration {
  version: number;
  name: string;
  statements: string[];
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'posts',
    // IF NOT EXISTS: a database that the predecessor made has this table already, and is adopted.
    statements: [
      `CREATE TABLE IF NOT EXISTS posts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        title TEXT NOT NULL,
        content TEXT NOT NULL
      )`,
    ],
  },
];

/** The level that this code needs. */
export const SCHEMA_VERSION = MIGRATIONS.at(-1)!.version;
