/** What routes need, made once by createApp. */
import type { Hono } from 'hono';
import type { Clock } from '../clock.ts';
import type { PostStore } from '../db/posts.ts';
import type { AppContext, AppEnv, Responder } from '../http/respond.ts';

export type App = Hono<AppEnv>;

export type Handler = (c: AppContext) => Response | Promise<Response>;

/** Makes a handler counted, traced, guarded and logged, its errors answered. `route`: its pattern. */
export type Observe = (handler: Handler, route: string) => (c: AppContext) => Promise<Response>;

export interface Services {
  db: PostStore;
  clock: Clock;
  respond: Responder;
  observe: Observe;
  /** Cookies carry Secure. */
  secure: boolean;
}

/** Registers handlers, each one observed. */
export function registrar(app: App, observe: Observe) {
  return (method: 'get' | 'post' | 'put' | 'patch' | 'delete', path: string, handler: Handler) => {
    app[method](path, observe(handler, path));
  };
}

/** Runs a database call and adds its time to the request's Server-Timing. */
export async function timed<T>(c: AppContext, clock: Clock, call: () => Promise<T>): Promise<T> {
  const start = clock.monotonic();
  try {
    return await call();
  } finally {
    c.get('trace').dbMs += clock.monotonic() - start;
  }
}

/** A post's id in a path; null where no post can have it, so that it is simply not found. */
export function readId(c: AppContext): number | null {
  const id = Number(c.req.param('id'));
  return Number.isSafeInteger(id) ? id : null;
}

/** The path pattern of a post's id. */
export const ID = ':id{[0-9]+}';
