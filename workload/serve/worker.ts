/**
 * The scratch pad on workerd. There are no files: the database is a libSQL server over HTTP, and the
 * configuration comes in as bindings. The schema is brought up by the first request that needs it.
 */
import { createApp } from '../app.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, parseConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { openRemote } from '../db/open-remote.ts';
import { createPostStore, type PostStore } from '../db/posts.ts';
import { PLAIN_HEADERS } from '../http/respond.ts';
import { createLog } from '../log.ts';
import { refuseHost } from './host.ts';
import { seedPosts } from './seed.ts';

type Bindings = Record<string, string | undefined>;
type App = ReturnType<typeof createApp>;

let app: App | null = null;

function start(env: Bindings): App {
  const config = parseConfig(env, { hasFiles: false });
  // No limit: a request that waited for another one's turn to end would be called hung here.
  const client = openRemote({ url: config.dbUrl, authToken: config.dbToken, concurrency: 1e6 });
  const prepare = () => migrate(client, { seed: config.seed ? seedPosts : [] });
  return createApp({
    db: prepared(createPostStore(client), prepare),
    config,
    bodyTimeoutMs: config.requestTimeoutMs,
    log: createLog((line) => console.log(line), {
      requests: config.log === 'requests',
      now: systemClock.now,
    }),
    platform: {
      runtime: 'workerd',
      runtimeVersion: navigator.userAgent,
      pid: null,
      startedAt: new Date().toISOString(),
      host: { bootId: null, hostname: null, kernel: null },
      synchronous: null,
      isDraining: () => false,
    },
  });
}

/**
 * The store, with the schema brought up before its first use, so that a database that does not
 * answer is told as at any other time, and what needs none (/livez) does not wait for it. Requests
 * that come meanwhile do it too: waiting for another request's promise is not allowed here, and a
 * migration is safe to do twice.
 */
function prepared(store: PostStore, prepare: () => Promise<unknown>): PostStore {
  let isPrepared = false;
  const afterwards =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (!isPrepared) {
        await prepare();
        isPrepared = true;
      }
      return call(...args);
    };
  return {
    summaries: afterwards(store.summaries),
    list: afterwards(store.list),
    byId: afterwards(store.byId),
    create: afterwards(store.create),
    update: afterwards(store.update),
    remove: afterwards(store.remove),
    schemaVersion: afterwards(store.schemaVersion),
    close: store.close,
  };
}

/** Nothing runs here before the first request, so it is the requests that meet a wrong configuration. */
function misconfigured({ faults }: ConfigError): Response {
  console.error(
    JSON.stringify({ event: 'failed', atMs: systemClock.now(), code: 'CONFIG_INVALID', faults }),
  );
  return new Response('The configuration of this server is invalid: its log has the faults.\n', {
    status: 500,
    headers: PLAIN_HEADERS,
  });
}

export default {
  async fetch(request: Request, env: Bindings): Promise<Response> {
    try {
      app ??= start(env);
    } catch (error) {
      if (error instanceof ConfigError) return misconfigured(error);
      throw error;
    }
    return refuseHost(request) ?? app.fetch(request);
  },
};
