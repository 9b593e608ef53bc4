/** Opens a database on a libSQL server over HTTP: the only way on workerd. */

import { createClient } from '@libsql/client/http';
import { type Client, LibsqlError } from '@libsql/core/api';

export interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  url: string;
  authToken: string | undefined;
  /** Requests to the database at a time. Default: the client’s own, 20. */
  concurrency?: number;
  /** How long the server may take for one request. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;

export function openRemote({
  url,
  authToken,
  concurrency,
  timeoutMs = TIMEOUT_MS,
}: RemoteOptions): Client {
  return createClient({
    url,
    fetch: (request: Request) => reach(request, timeoutMs),
    ...(authToken === undefined ? {} : { authToken }),
    ...(concurrency === undefined ? {} : { concurrency }),
  });
}

/**
 * fetch() with an end, and with one error for all that can keep a server from answering: each runtime
 * has its own for a refused or lost connection, most of them without a code.
 */
async function reach(request: Request, timeoutMs: number): Promise<Response> {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(timeoutMs) });
    // Read here: a reply that stops half way is no reply either.
    const bytes = await response.arrayBuffer();
    return new Response(bytes, { status: response.status, headers: response.headers });
  } catch (cause) {
    const message = 'The database server does not answer.';
    const error = cause instanceof Error ? cause : undefined;
    throw new LibsqlError(message, 'SERVER_UNREACHABLE', undefined, undefined, error);
  }
}
