/** Opens a database on a libSQL server over HTTP: the only way on workerd. */

import { createClient } from '@libsql/client/http';
import type { Client } from '@libsql/core/api';

export interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  url: string;
  authToken: string | undefined;
  /** Requests to the database at a time. Default: the client’s own, 20. */
  concurrency?: number;
}

export function openRemote({ url, authToken, concurrency }: RemoteOptions): Client {
  return createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    ...(concurrency === undefined ? {} : { concurrency }),
  });
}
