/**
 * The scratch pad on workerd. There are no files: the database is a libSQL server over HTTP, and the
 * configuration comes in as bindings. The schema is brought up by the first request.
 */
import { createApp } from '../app.ts';
import { systemClock } from '../clock.ts';
import { parseConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { openRemote } from '../db/open-remote.ts';
import { createPostStore } from '../db/posts.ts';
import { SECURITY_HEADERS } from '../http/respond.ts';
import { createLog } from '../log.ts';
import { refuseHost } from './host.ts';
import { seedPosts } from './seed.ts';

type Bindings = Record<string, string | undefined>;

interface Started {
  app: ReturnType<typeof createApp>;
  prepare(): Promise<unknown>;
  prepared: boolean;
}

let started: Started | null = null;

function start(env: Bindings): Started {
  const config = parseConfig(env);
  // No limit: a request that waited for another one's turn to end would be called hung here.
  const client = openRemote({ url: config.dbUrl, authToken: config.dbToken, concurrency: 1e6 });
  const app = createApp({
    db: createPostStore(client),
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
      isDraining: () => false,
    },
  });
  const prepare = () => migrate(client, { seed: config.seed ? seedPosts : [] });
  return { app, prepare, prepared: false };
}

export default {
  async fetch(request: Request, env: Bindings): Promise<Response> {
    started ??= start(env);
    if (!started.prepared) {
      // Requests that come meanwhile do it too: waiting for another request's promise is not
      // allowed here, and a migration is safe to do twice.
      try {
        await started.prepare();
        started.prepared = true;
      } catch (error) {
        console.log(JSON.stringify({ event: 'error', message: String(error) }));
        return new Response('The database does not answer.\n', {
          status: 503,
          headers: {
            ...SECURITY_HEADERS,
            'retry-after': '1',
            'content-type': 'text/plain; charset=utf-8',
          },
        });
      }
    }
    return refuseHost(request) ?? started.app.fetch(request);
  },
};
