/** The app in this process, over an in-memory database, with time in the test's hands. */
import { createApp } from '../../workload/app.ts';
import type { Clock } from '../../workload/clock.ts';
import { migrate } from '../../workload/db/migrate.ts';
import { openFile } from '../../workload/db/open-file.ts';
import { createPostStore, type PostStore } from '../../workload/db/posts.ts';
import { createLog } from '../../workload/log.ts';
import type { Platform } from '../../workload/routes/health.ts';

export const NOON = Date.parse('2026-01-02T12:00:00Z');

export interface TestApp {
  app: ReturnType<typeof createApp>;
  db: PostStore;
  clock: Clock & { advance(ms: number): void };
  /** Log lines, parsed. */
  logged: Array<Record<string, unknown>>;
}

export async function makeApp({
  store,
  config = {},
  platform = {},
  bodyTimeoutMs = null,
}: {
  /** Wraps the store, to make it fail. */
  store?: (real: PostStore) => PostStore;
  config?: { https?: boolean; serverTiming?: boolean };
  platform?: Partial<Platform>;
  bodyTimeoutMs?: number | null;
} = {}): Promise<TestApp> {
  const client = await openFile({
    url: 'file::memory:',
    synchronous: 'normal',
    busyTimeoutMs: 0,
  });
  await migrate(client);
  const real = createPostStore(client, { singleRow: (query) => client.expectSingleRow(query) });
  const db = store?.(real) ?? real;
  let ms = NOON;
  const clock = {
    now: () => ms,
    monotonic: () => ms - NOON,
    advance(by: number) {
      ms += by;
    },
  };
  const logged: Array<Record<string, unknown>> = [];
  const log = createLog((line) => logged.push(JSON.parse(line)), {
    requests: true,
    now: clock.now,
  });
  const app = createApp({
    db,
    config: { nonce: 'n', serverTiming: true, https: false, ...config },
    clock,
    log,
    bodyTimeoutMs,
    platform: {
      runtime: 'node',
      runtimeVersion: 'test',
      pid: 1,
      startedAt: new Date(NOON).toISOString(),
      host: { bootId: null, hostname: null, kernel: null },
      synchronous: 'normal',
      isDraining: () => false,
      ...platform,
    },
  });
  return { app, db, clock, logged };
}

/** What a browser posts. */
export const form = (fields: Record<string, string>) => ({
  method: 'POST',
  body: new URLSearchParams(fields),
});

export const json = (method: string, value: unknown) => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});
