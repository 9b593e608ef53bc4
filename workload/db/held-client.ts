/**
 * The libSQL client for a database file, with one connection and held statements.
 *
 * `Sqlite3Client.execute` prepares its statement anew on each call and builds every row with two
 * `defineProperty` calls a cell; for the index page that is more than the query itself
 * (docs/decisions/workload-queries.md has the figures). This subclass keeps the statements,
 * which the store addresses by their SQL text, and returns rows as plain arrays: that is all that the
 * store reads. Batches, errors and life cycle are the parent's.
 *
 * Everything here is synchronous underneath, so a statement never meets another one half way, and
 * the one connection can be used without borrowing it. What would break that, an interactive
 * transaction held open across awaits, is refused.
 */

import { ConnectionPool, Sqlite3Client } from '@libsql/client/sqlite3';
import { type InArgs, type InStatement, LibsqlError, type ResultSet } from '@libsql/core/api';

type Connection = ReturnType<ConnectionPool['acquireSync']>;
type Statement = ReturnType<Connection['prepare']>;

interface Held {
  statement: Statement;
  singleRow: boolean;
  columns: string[] | null;
}

/** Distinct SQL texts kept. The app has about ten; the bound is for a caller that builds SQL. */
const MAX_HELD_STATEMENTS = 64;

export class HeldClient extends Sqlite3Client {
  readonly #connection: Connection;
  readonly #held = new Map<string, Held>();
  readonly #singleRow = new Set<string>();

  private constructor(pool: ConnectionPool) {
    super(pool, 'number');
    this.#connection = pool.acquireSync();
    pool.release(this.#connection);
  }

  /** Opens (or creates) the file. `busyTimeoutMs`: how long a statement waits for another writer. */
  static open(path: string, { busyTimeoutMs }: { busyTimeoutMs: number }): HeldClient {
    return new HeldClient(new ConnectionPool(path, { timeout: busyTimeoutMs }, 1));
  }

  override async execute(stmtOrSql: InStatement | string, args?: InArgs): Promise<ResultSet> {
    if (this.closed) throw new LibsqlError('The client is closed', 'CLIENT_CLOSED');
    const sql = typeof stmtOrSql === 'string' ? stmtOrSql : stmtOrSql.sql;
    const values = (typeof stmtOrSql === 'string' ? args : stmtOrSql.args) ?? [];
    try {
      const { statement, columns, singleRow } = this.#hold(sql);
      if (columns === null) {
        const info = statement.run(values);
        return resultSet([], [], Number(info.changes), BigInt(info.lastInsertRowid));
      }
      if (singleRow) {
        const row = statement.get(values) as unknown[] | undefined;
        return resultSet(columns, row === undefined ? [] : [row], 0, undefined);
      }
      return resultSet(columns, statement.all(values) as unknown[][], 0, undefined);
    } catch (error) {
      throw asLibsqlError(error);
    }
  }

  /**
   * Says that this SELECT gives at most one row: get() takes half the time that all() needs. Never
   * a write with RETURNING: get() takes its one row and resets the statement, and it is then that
   * SQLite commits; the driver drops an error of that commit, and on a full disk the post that was
   * acknowledged would not be there. all() steps on and meets the error.
   */
  expectSingleRow(sql: string): void {
    this.#singleRow.add(sql);
  }

  override transaction(): Promise<never> {
    return Promise.reject(
      new LibsqlError(
        'Interactive transactions would hold the only connection across awaits: use batch()',
        'TRANSACTIONS_NOT_SUPPORTED',
      ),
    );
  }

  #hold(sql: string): Held {
    const known = this.#held.get(sql);
    if (known !== undefined) return known;
    const statement = this.#connection.prepare(sql);
    let columns: string[] | null;
    try {
      statement.raw(true);
      columns = statement.columns().map((column) => column.name);
    } catch {
      columns = null; // raw() throws where a statement returns no data
    }
    const held = { statement, columns, singleRow: this.#singleRow.has(sql) };
    if (this.#held.size >= MAX_HELD_STATEMENTS) {
      const oldest = this.#held.keys().next().value;
      if (oldest !== undefined) this.#held.delete(oldest);
    }
    this.#held.set(sql, held);
    return held;
  }

  override close(): void {
    this.#held.clear();
    super.close();
  }
}

/** Rows are bare arrays without the column names as properties; the type is the client's. */
function resultSet(
  columns: string[],
  rows: unknown[][],
  rowsAffected: number,
  lastInsertRowid: bigint | undefined,
): ResultSet {
  return {
    columns,
    columnTypes: [],
    rows: rows as unknown as ResultSet['rows'],
    rowsAffected,
    lastInsertRowid,
    toJSON: () => ({ columns, rows, rowsAffected }),
  };
}

function asLibsqlError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LibsqlError) return error;
  const { code, rawCode } = error as { code?: string; rawCode?: number };
  if (code === undefined) return error;
  return new LibsqlError(error.message, code, code, rawCode, error);
}
