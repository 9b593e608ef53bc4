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
  /** An unexpected failure, for the log alone, never for a response; see errorFields. */
  error(message: string, fields: Record<string, unknown>): void;
}

/** Causes that are followed; errors that cause each other would have no end. */
const MAX_CAUSES = 8;
const MAX_FRAMES = 12;

/**
 * What a log may have of an error: kinds, codes and places, of it and of its causes. Never a
 * message: Drizzle's repeats the values of the statement and JSON.parse's the text, which are what
 * a user typed.
 */
export function errorFields(error: unknown): {
  errors: Array<{ name: string; code?: string }>;
  stack: string[];
} {
  const errors: Array<{ name: string; code?: string }> = [];
  let stack: string[] = [];
  for (let at = error; at instanceof Error && errors.length < MAX_CAUSES; at = at.cause) {
    const { code } = at as { code?: unknown };
    errors.push({ name: at.name, ...(typeof code === 'string' ? { code } : {}) });
    if (stack.length === 0) stack = framesOf(at);
  }
  if (errors.length === 0) errors.push({ name: typeof error });
  return { errors, stack };
}

/** The lines behind the message, which may have lines of its own that look like these. */
function framesOf({ message, stack = '' }: Error): string[] {
  const start = stack.indexOf(message);
  if (start === -1) return [];
  const lines = stack.slice(start + message.length).split('\n');
  const frames = lines.map((line) => line.trim()).filter((line) => line.startsWith('at '));
  return frames.slice(0, MAX_FRAMES);
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
