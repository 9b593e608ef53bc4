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
import { createLog } from '../log.ts';
import { seedPosts } from './seed.ts';

type Bindings = Record<string, string | undefined>;

let ready: Promise<ReturnType<typeof createApp>> | null = null;

async function start(env: Bindings): Promise<ReturnType<typeof createApp>> {
  const config = parseConfig(env);
  const client = openRemote({ url: config.dbUrl, authToken: config.dbToken });
  await migrate(client, { seed: config.seed ? seedPosts : [] });
  return createApp({
    db: createPostStore(client),
    config,
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
}

export default {
  async fetch(request: Request, env: Bindings): Promise<Response> {
    // A start that failed (the database was not there yet) is tried again by the next request.
    ready ??= start(env).catch((error: unknown) => {
      ready = null;
      throw error;
    });
    const app = await ready;
    return app.fetch(request);
  },
};
