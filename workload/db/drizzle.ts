/**
 * Drizzle over a libSQL client that exists already. `drizzle-orm/libsql` would pull in all of the
 * client's transports (HTTP, WebSocket, native) just to choose one; its `construct` does the same
 * without them, but is missing from the package's types.
 */
import type { Client } from '@libsql/core/api';
import * as core from 'drizzle-orm/libsql/driver-core';

export type Drizzle = core.LibSQLDatabase;

export const construct = (core as unknown as { construct: (client: Client) => Drizzle }).construct;
