/** What a failed statement means for the caller, whichever client and layer threw it. */
export type DatabaseErrorKind = 'full' | 'busy' | 'constraint' | 'unavailable' | 'other';

const KIND_BY_CODE: Record<string, DatabaseErrorKind> = {
  SQLITE_FULL: 'full',
  SQLITE_BUSY: 'busy',
  SQLITE_LOCKED: 'busy',
  SQLITE_CONSTRAINT: 'constraint',
  SQLITE_IOERR: 'unavailable',
  SQLITE_CANTOPEN: 'unavailable',
  SQLITE_READONLY: 'unavailable',
  SQLITE_CORRUPT: 'unavailable',
  SQLITE_NOTADB: 'unavailable',
  CLIENT_CLOSED: 'unavailable',
  SERVER_ERROR: 'unavailable',
  SERVER_UNREACHABLE: 'unavailable',
  HRANA_WEBSOCKET_ERROR: 'unavailable',
  HRANA_CLOSED_ERROR: 'unavailable',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
};

/**
 * Walks the chain of causes (the client wraps the driver's error, and others may wrap the client's) to
 * the first code that is known. Extended codes (`SQLITE_IOERR_WRITE`) count as their base.
 */
export function databaseErrorKind(error: unknown): DatabaseErrorKind | null {
  let isDatabaseError = false;
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const code = (at as { code?: unknown }).code;
    if (typeof code !== 'string') continue;
    const kind = KIND_BY_CODE[code] ?? KIND_BY_CODE[code.split('_').slice(0, 2).join('_')];
    if (kind !== undefined) return kind;
    if (code.startsWith('SQLITE_') || code.startsWith('HRANA_')) isDatabaseError = true;
  }
  return isDatabaseError ? 'other' : null;
}
