/**
 * How every response is made: one place that sets the security headers, the request id and the
 * timing, as a plain object, which the Node adapter writes as it is.
 */
import type { Context } from 'hono';
import type { Clock } from '../clock.ts';

/** What is known about a request from its arrival on. */
export interface Trace {
  id: string;
  startMs: number;
  /** Time spent in the database so far. */
  dbMs: number;
  /** How long the body may take to arrive; null: the runtime's server sees to it. */
  bodyTimeoutMs: number | null;
}

export interface AppEnv {
  /** `method`: the original one, where a runtime had to pass HEAD on as GET. */
  Bindings: { method?: string } | undefined;
  Variables: { trace: Trace };
}

/** Makes a response: the standard class, or a runtime's cheaper stand-in for it. */
export type ResponseFactory = (
  body: string | null,
  init: { status: number; headers: Record<string, string> },
) => Response;

export type AppContext = Context<AppEnv>;

/** On every response, whatever its type. No inline script or style exists, so none is allowed. */
export const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; object-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  // Not no-referrer: with that, browsers send `Origin: null` with our own forms.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** Of the short texts that are answered where the app is not asked. */
export const PLAIN_HEADERS = {
  ...SECURITY_HEADERS,
  'content-type': 'text/plain; charset=utf-8',
} as const;

export const HTML_TYPE = 'text/html; charset=utf-8';
export const JSON_TYPE = 'application/json; charset=utf-8';
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface Responder {
  send(
    c: AppContext,
    status: number,
    type: string | null,
    body: string | null,
    extra?: Record<string, string>,
  ): Response;
  html(c: AppContext, status: number, body: string, extra?: Record<string, string>): Response;
  json(c: AppContext, status: number, body: unknown, extra?: Record<string, string>): Response;
  redirect(c: AppContext, location: string, extra?: Record<string, string>): Response;
  problem(c: AppContext, problem: Problem, extra?: Record<string, string>): Response;
}

/** What is wrong with one field of a body or of the query. */
export interface FieldFault {
  field: string;
  message: string;
}

/** RFC 9457. */
export interface Problem {
  status: number;
  /** Of a failure that is not the client's: which one, for programs. */
  code?: string;
  title: string;
  detail?: string;
  errors?: FieldFault[];
}

/** Milliseconds to the microsecond, as the shortest number that says so. */
const micro = (ms: number): number => Math.round(ms * 1000) / 1000;

const bytesOf = (text: string): string => String(new TextEncoder().encode(text).byteLength);

export function createResponder({
  clock,
  serverTiming,
  createResponse = (body, init) => new Response(body, init),
}: {
  clock: Clock;
  serverTiming: boolean;
  createResponse?: ResponseFactory | undefined;
}): Responder {
  const send: Responder['send'] = (c, status, type, body, extra) => {
    const trace = c.get('trace');
    const headers: Record<string, string> = {
      ...SECURITY_HEADERS,
      'cache-control': 'no-cache',
      'x-request-id': trace.id,
    };
    if (type !== null) headers['content-type'] = type;
    if (serverTiming) {
      const totalMs = clock.monotonic() - trace.startMs;
      headers['server-timing'] = `db;dur=${micro(trace.dbMs)}, total;dur=${micro(totalMs)}`;
    }
    if (extra !== undefined) Object.assign(headers, extra);
    // Hono leaves the body out; of nothing, the runtimes say that its length is 0.
    if (c.req.method === 'HEAD' && body !== null) headers['content-length'] = bytesOf(body);
    return createResponse(body, { status, headers });
  };
  return {
    send,
    html: (c, status, body, extra) => send(c, status, HTML_TYPE, body, extra),
    json: (c, status, body, extra) => send(c, status, JSON_TYPE, JSON.stringify(body), extra),
    // 302 and not 303: what the predecessor answered, and what its clients expect.
    redirect: (c, location, extra) => send(c, 302, null, '', { location, ...extra }),
    problem(c, problem, extra) {
      const body = { type: 'about:blank', ...problem, requestId: c.get('trace').id };
      return send(c, problem.status, PROBLEM_TYPE, JSON.stringify(body), extra);
    },
  };
}
