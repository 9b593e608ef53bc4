/**
 * What every server runtime does the same way: read the configuration, open the database, say on
 * stdout that it listens, drain on SIGTERM or SIGINT. Log and events are JSON lines on stdout, the
 * reason of a failure is one on stderr. Exit codes: 0 stopped in order (a second signal: 1 at once),
 * 2 the configuration is invalid, 1 it could not start or met an error that nobody caught.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApp } from '../app.ts';
import { systemClock } from '../clock.ts';
import { type Config, ConfigError, isFile, parseConfig, VARIABLES } from '../config.ts';
import type { ResponseFactory } from '../http/respond.ts';
import { createLog, errorFields, type Log } from '../log.ts';
import type { Platform } from '../routes/health.ts';
import { doneOnce, readIdentity, verifyArtifact } from './identity.ts';
import { openStore } from './store.ts';

export type App = ReturnType<typeof createApp>;

/** A server that accepts connections. */
export interface Listening {
  port: number;
  /** Lets open requests finish, for `deadlineMs` at most; tells how many connections it cut. */
  stop(deadlineMs: number): Promise<{ destroyed: number }>;
}

export interface Runtime {
  name: Platform['runtime'];
  version: string;
  createResponse?: ResponseFactory;
  /** Its server ends a request whose body is late by itself. Else the app does. */
  timesBodies: boolean;
  listen(app: App, config: Config, log: Log): Promise<Listening>;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

/** Starts the app on a runtime; returns when it listens. */
export async function run(runtime: Runtime): Promise<void> {
  // A log that cannot be written (its disk is full, its reader has gone) is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  // The last resort: after an error that nobody caught, the state of the process is unknown.
  // Its message may hold what a user typed, and is not told.
  process.on('uncaughtException', (error) => {
    const { code = 'UNCAUGHT_ERROR' } = error as { code?: string };
    const event = { event: 'failed', atMs: systemClock.now(), code, ...errorFields(error) };
    complain(JSON.stringify(event));
    process.exit(1);
  });
  try {
    await start(runtime);
  } catch (error) {
    fail(error);
  }
}

async function start({
  name,
  version,
  createResponse,
  timesBodies,
  listen,
}: Runtime): Promise<void> {
  if (process.argv.includes('--help')) {
    for (const { name: variable, default: value, meaning } of VARIABLES) {
      say(`${variable.padEnd(30)} ${meaning} [${value || 'none'}]`);
    }
    return;
  }
  const config = parseConfig(process.env);
  const store = await openStore(config);
  // `server.mjs migrate`: the explicit step, for set-ups that migrate before they start. Every start
  // does the same, safely also where several start at once.
  if (process.argv[2] === 'migrate') {
    const schemaVersion = await store.schemaVersion();
    await store.close();
    say(JSON.stringify({ event: 'migrated', atMs: systemClock.now(), schemaVersion }));
    return;
  }
  const log = createLog(say, { requests: config.log === 'requests', now: systemClock.now });
  let stopping = false;
  const app = createApp({
    db: store,
    config,
    log,
    ...(createResponse === undefined ? {} : { createResponse }),
    bodyTimeoutMs: timesBodies ? null : config.requestTimeoutMs,
    platform: {
      ...readIdentity(name, version),
      synchronous: isFile(config) ? config.synchronous : null,
      isDraining: () => stopping,
      verify: doneOnce(() => verifyArtifact(dirname(fileURLToPath(import.meta.url)))),
    },
  });
  const server = await listen(app, config, log);

  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    const startMs = systemClock.monotonic();
    const { destroyed } = await server.stop(config.drainMs);
    await store.close();
    const durationMs = Math.round(systemClock.monotonic() - startMs);
    say(
      JSON.stringify({ event: 'stopped', atMs: systemClock.now(), signal, durationMs, destroyed }),
    );
    process.exitCode = 0;
    // It ends by itself now; a stuck stdout or a stray timer must not keep it.
    setTimeout(() => process.exit(0), 100).unref();
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));

  const { host } = config;
  say(
    JSON.stringify({
      event: 'listening',
      atMs: systemClock.now(),
      port: server.port,
      url: `http://${host.includes(':') ? `[${host}]` : host}:${server.port}/`,
      pid: process.pid,
      runtime: name,
    }),
  );
}

/** Tells why it did not start, as one JSON line, and sets the exit code. */
function fail(error: unknown): void {
  const isConfig = error instanceof ConfigError;
  const { code, message, stack } = error as { code?: string; message?: string; stack?: string };
  complain(
    JSON.stringify({
      event: 'failed',
      atMs: systemClock.now(),
      // The driver leaves the code of some errors empty.
      code: isConfig ? 'CONFIG_INVALID' : code || 'START_FAILED',
      message: message ?? String(error),
      ...(isConfig ? { faults: error.faults } : { stack }),
    }),
  );
  process.exitCode = isConfig ? 2 : 1;
}
