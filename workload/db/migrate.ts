/**
 * Brings a database to the level of migrations.ts. Safe when several instances start at once: each step is one
 * write batch (BEGIN IMMEDIATE … COMMIT) that begins by inserting its own row into `migrations`, so
 * the primary key lets one instance win and the others find the step done.
 */
import type { Client, InStatement } from '@libsql/core/api';
import { databaseErrorKind } from './errors.ts';
import { MIGRATIONS, type Migration } from './migrations.ts';

export interface SeedPost {
  title: string;
  content: string;
}

export interface MigrateResult {
  from: number;
  to: number;
  /** Versions that this call applied, not another instance. */
  applied: number[];
}

/** The level of the database's schema; 0 for a new one. */
export async function readSchemaVersion(client: Client): Promise<number> {
  const table = await client.execute(
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'",
  );
  if (Number(table.rows[0]?.[0]) === 0) return 0;
  const result = await client.execute('SELECT coalesce(max(version), 0) FROM migrations');
  return Number(result.rows[0]?.[0]);
}

/**
 * `seed` is inserted in the same transaction that creates the posts table, and only when that table
 * is empty. Throws where the database is newer than this code: an old instance must not write to it.
 */
export async function migrate(
  client: Client,
  { seed = [], steps = MIGRATIONS }: { seed?: SeedPost[]; steps?: readonly Migration[] } = {},
): Promise<MigrateResult> {
  const target = steps.at(-1)?.version ?? 0;
  const from = await readSchemaVersion(client);
  if (from > target) {
    throw new Error(
      `the database has schema version ${from}, this program knows ${target}: start a newer program`,
    );
  }
  const applied: number[] = [];
  for (const step of steps) {
    if (step.version <= from) continue;
    if (await applyStep(client, step, step.version === 1 ? seed : [])) applied.push(step.version);
  }
  return { from, to: target, applied };
}

/** True where this call did it, false where another instance was first. */
async function applyStep(client: Client, step: Migration, seed: SeedPost[]): Promise<boolean> {
  const statements: InStatement[] = [
    `CREATE TABLE IF NOT EXISTS migrations (
      version INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    )`,
    {
      sql: 'INSERT INTO migrations (version, name) VALUES (?, ?)',
      args: [step.version, step.name],
    },
    ...step.statements,
  ];
  if (seed.length > 0) {
    const rows = seed.map(() => '(?, ?)').join(', ');
    statements.push({
      sql: `INSERT INTO posts (title, content)
            SELECT * FROM (VALUES ${rows}) WHERE NOT EXISTS (SELECT 1 FROM posts)`,
      args: seed.flatMap((post) => [post.title, post.content]),
    });
  }
  try {
    await client.batch(statements, 'write');
    return true;
  } catch (error) {
    if (databaseErrorKind(error) !== 'constraint') throw error;
    if ((await readSchemaVersion(client)) < step.version) throw error;
    return false;
  }
}
