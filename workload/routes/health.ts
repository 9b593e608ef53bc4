/**
 * /livez: the process answers; no database. /readyz: this deployment can do its work, and who it is.
 * Neither counts as handled.
 */
import type { Config } from '../config.ts';
import { SCHEMA_VERSION } from '../db/migrations.ts';
import { type App, registrar, type Services } from './context.ts';

/** What only the runtime can tell. */
export interface Platform {
  runtime: 'node' | 'deno' | 'bun' | 'workerd';
  runtimeVersion: string;
  pid: number | null;
  startedAt: string;
  host: {
    /** Linux: /proc/sys/kernel/random/boot_id. A container shares its host's, a VM has its own. */
    bootId: string | null;
    hostname: string | null;
    kernel: string | null;
  };
  /** What a commit of the database file survives (config.ts); null: a libSQL server's own affair. */
  synchronous: Config['synchronous'] | null;
  /** True from SIGTERM on: open requests are answered, new ones should go elsewhere. */
  isDraining(): boolean;
  /** Hashes of what runs, read from the disk of this machine. Slow: on demand, once a process. */
  verify?(): Promise<{ artifactSha256: string | null; runtimeSha256: string | null }>;
}

export interface HealthServices extends Pick<Services, 'db' | 'respond' | 'observe'> {
  nonce: string | null;
  platform: Platform;
  /** Requests that reached the app so far, those to /livez and /readyz left out. */
  handled(): number;
}

export function addHealth(
  app: App,
  { db, respond, observe, nonce, platform, handled }: HealthServices,
): void {
  const on = registrar(app, observe);
  on('get', '/livez', (c) =>
    respond.json(c, 200, { status: 'live' }, { 'cache-control': 'no-store' }),
  );

  on('get', '/readyz', async (c) => {
    let schemaVersion: number | null = null;
    let status: 'ready' | 'draining' | 'database-unavailable' | 'schema-outdated' = 'ready';
    try {
      schemaVersion = await db.schemaVersion();
      if (schemaVersion < SCHEMA_VERSION) status = 'schema-outdated';
    } catch {
      status = 'database-unavailable';
    }
    if (platform.isDraining()) status = 'draining';
    const { isDraining: _, verify, ...identity } = platform;
    const body = {
      status,
      nonce,
      schemaVersion,
      handled: handled(),
      ...identity,
      ...(c.req.query('verify') === '1' ? await verify?.() : {}),
    };
    const isReady = status === 'ready';
    return respond.json(c, isReady ? 200 : 503, body, {
      'cache-control': 'no-store',
      ...(isReady ? {} : { 'retry-after': '1' }),
    });
  });
}
