/**
 * The scratch pad as one Hono app, the same on every runtime. It knows no runtime, file or socket:
 * database, clock, log and what only the runtime can tell come in from serve/.
 */
import { HonoBase as Hono } from 'hono/hono-base';
import { type Clock, systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { databaseErrorKind } from './db/errors.ts';
import type { PostStore } from './db/posts.ts';
import { RequestFault } from './http/body.ts';
import { isForeignWrite } from './http/origin.ts';
import { requestIds } from './http/request-id.ts';
import {
  type AppContext,
  type AppEnv,
  createResponder,
  type Problem,
  type ResponseFactory,
} from './http/respond.ts';
import { AddressRouter } from './http/router.ts';
import { errorFields, type Log } from './log.ts';
import { addApi } from './routes/api.ts';
import type { Observe } from './routes/context.ts';
import { addHealth, type Platform } from './routes/health.ts';
import { addOpenApi } from './routes/openapi.ts';
import { addPages } from './routes/pages.ts';
import { errorPage } from './views/pages.ts';

export interface AppOptions {
  db: PostStore;
  config: Pick<Config, 'nonce' | 'serverTiming' | 'https'>;
  clock?: Clock;
  log: Log;
  platform: Platform;
  createResponse?: ResponseFactory;
  /** How long a body may take to arrive; null (default): the runtime's server sees to it. */
  bodyTimeoutMs?: number | null;
}

/** In the order of Allow. */
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export function createApp({
  db,
  config,
  clock = systemClock,
  log,
  platform,
  createResponse,
  bodyTimeoutMs = null,
}: AppOptions) {
  const app = new Hono<AppEnv>({ router: new AddressRouter() });
  const respond = createResponder({ clock, serverTiming: config.serverTiming, createResponse });
  const nextId = requestIds();
  let handled = 0;

  /** A problem document for the API, a page for everyone else. */
  const fail = (c: AppContext, problem: Problem, extra?: Record<string, string>): Response => {
    if (c.req.path.startsWith('/api')) return respond.problem(c, problem, extra);
    const heading = problem.status === 404 ? 'Not found' : problem.title;
    const requestId = problem.status >= 500 ? c.get('trace').id : null;
    const page = errorPage({ heading, text: problem.detail ?? '', requestId });
    return respond.html(c, problem.status, page, extra);
  };

  /**
   * Around every handler. Hono would do the same with a middleware and its error handler, at the
   * price of three more promises a request.
   */
  const observe: Observe = (handler, route) => async (c) => {
    // `handled` counts on arrival, before the body is read: every request that reached the app is
    // in it once, whatever its answer, and one that is still open is in it already. Requests that
    // the HTTP parser refused never get here.
    const { path } = c.req;
    if (path !== '/readyz' && path !== '/livez') handled++;
    const trace = {
      id: nextId(c.req.header('x-request-id')),
      startMs: clock.monotonic(),
      dbMs: 0,
      bodyTimeoutMs,
    };
    c.set('trace', trace);
    let response: Response;
    try {
      response = isForeignWrite(c.req.method, c.req.raw.headers)
        ? fail(c, {
            status: 403,
            title: 'Forbidden',
            detail: 'This request was sent by a page of another site.',
          })
        : await handler(c);
    } catch (error) {
      response = failed(c, error, route);
    }
    if (log.requests) {
      log.request({
        id: trace.id,
        method: c.env?.method ?? c.req.method,
        path,
        status: response.status,
        durationMs: clock.monotonic() - trace.startMs,
      });
    }
    return response;
  };

  const failed = (c: AppContext, error: unknown, route: string): Response => {
    if (error instanceof RequestFault) {
      const { status, title, message: detail, headers, errors } = error;
      return fail(c, { status, title, detail, ...(errors && { errors }) }, headers);
    }
    const { problem, extra } = explain(error);
    log.error('request failed', {
      id: c.get('trace').id,
      method: c.env?.method ?? c.req.method,
      route,
      status: problem.status,
      code: problem.code,
      ...errorFields(error),
    });
    return fail(c, problem, extra);
  };

  const services = { db, clock, respond, observe, secure: config.https };
  addPages(app, services);
  addApi(app, services);
  addOpenApi(app, services);
  addHealth(app, { ...services, nonce: config.nonce, platform, handled: () => handled });

  /** What the routes take at this path, as Allow has it; '' where there is none. */
  const allowed = (path: string): string =>
    METHODS.filter((method) => app.router.match(method, path)[0].length > 0)
      .join(', ')
      .replace('GET', 'GET, HEAD');

  // No route took it: the address is unknown, or the method is.
  app.notFound(
    observe((c) => {
      const allow = allowed(c.req.path);
      if (allow === '') {
        if (!isUtf8(c.req.url)) {
          const detail = 'The address is not percent-encoded UTF-8.';
          return fail(c, { status: 400, title: 'Bad Request', detail });
        }
        return fail(c, {
          status: 404,
          title: 'Not Found',
          detail: 'There is nothing at this address.',
        });
      }
      if (c.req.method === 'OPTIONS') return respond.send(c, 204, null, null, { allow });
      const detail = `This address takes ${allow}.`;
      return fail(c, { status: 405, title: 'Method Not Allowed', detail }, { allow });
    }, '(none)'),
  );
  return app;
}

/** Whether the path of a URL can be decoded. */
function isUtf8(url: string): boolean {
  try {
    decodeURIComponent(url.split(/[?#]/, 1)[0]!);
    return true;
  } catch {
    return false;
  }
}

/** What went wrong with a request that was not the client's fault. */
function explain(error: unknown): {
  problem: Problem;
  extra?: Record<string, string>;
} {
  switch (databaseErrorKind(error)) {
    case 'full':
      return {
        problem: {
          status: 507,
          code: 'DATABASE_FULL',
          title: 'Insufficient Storage',
          detail: 'The disk is full. The change was not stored.',
        },
      };
    case 'busy':
    case 'unavailable':
      return {
        problem: {
          status: 503,
          code: 'DATABASE_UNAVAILABLE',
          title: 'Service Unavailable',
          detail: 'The database does not answer at the moment. Try again.',
        },
        extra: { 'retry-after': '1' },
      };
    default:
      return {
        problem: {
          status: 500,
          code: 'INTERNAL_ERROR',
          title: 'Internal Server Error',
          detail: 'Something went wrong here. It has been logged.',
        },
      };
  }
}
