/** Opens a database on a libSQL server over HTTP: the only way on workerd. */

import { createClient } from '@libsql/client/http';
import type { Client } from '@libsql/core/api';

export interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  url: string;
  authToken: string | undefined;
}

export function openRemote({ url, authToken }: RemoteOptions): Client {
  return createClient({ url, ...(authToken === undefined ? {} : { authToken }) });
}
