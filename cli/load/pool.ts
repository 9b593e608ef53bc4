/** The connections of one worker: those that are open, and of these the idle ones, newest first. */
import { Connection, type ConnectionOwner } from './connection.ts';
import type { Endpoint } from './request.ts';

export class ConnectionPool {
  private readonly all = new Set<Connection>();
  /** The newest is used first: the others may be closed by the server, and are found so. */
  private readonly idle: Connection[] = [];
  private readonly endpoint: Endpoint;
  /** One for all: what is read is parsed before the next read. */
  private readonly readBuffer = new Uint8Array(64 * 1024);
  opened = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  get size(): number {
    return this.all.size;
  }

  /** All that are open; a copy, so that they can be dropped while going through them. */
  list(): Connection[] {
    return [...this.all];
  }

  open(owner: ConnectionOwner, now: number): Connection {
    const connection = new Connection(owner, this.endpoint, this.readBuffer, now);
    this.all.add(connection);
    this.opened++;
    return connection;
  }

  /** An idle connection that may be used at `now`; null: there is none. */
  take(now: number): Connection | null {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined) return null;
      if (!connection.isOpen) continue;
      if (connection.usableUntilUs > now) return connection;
      this.drop(connection);
    }
  }

  release(connection: Connection): void {
    this.idle.push(connection);
  }

  drop(connection: Connection): void {
    connection.close();
    this.all.delete(connection);
  }
}
