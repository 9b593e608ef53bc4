/** Structured log: one JSON object a line. Where it is written is the runtime's affair. */
export interface RequestEntry {
  id: string;
  method: string;
  /** Path without the query: what a user typed stays out of the log. */
  path: string;
  status: number;
  durationMs: number;
}

export interface Log {
  /** Whether request() does anything; asked first, so that nothing is built in vain. */
  readonly requests: boolean;
  request(entry: RequestEntry): void;
  /** An unexpected failure. The stack is for the log alone, never for a response. */
  error(message: string, fields: Record<string, unknown>): void;
}

/** `write` gets whole lines without the newline. */
export function createLog(
  write: (line: string) => void,
  { requests, now }: { requests: boolean; now: () => number },
): Log {
  return {
    requests,
    request(entry) {
      write(JSON.stringify({ event: 'request', atMs: now(), ...entry }));
    },
    error(message, fields) {
      write(JSON.stringify({ event: 'error', atMs: now(), message, ...fields }));
    },
  };
}
