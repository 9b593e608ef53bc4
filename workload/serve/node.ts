/**
 * The scratch pad on Node: `node server.mjs`, configured by the environment (config.ts). Prints one
 * JSON line on stdout when it listens; logs as JSON lines on stdout, failures on stderr. SIGTERM or
 * SIGINT drains and exits 0; a second one exits at once. Exit 2: the configuration is invalid,
 * 1: it could not start.
 */
import { createServer, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApp } from '../app.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, parseConfig, VARIABLES } from '../config.ts';
import { SECURITY_HEADERS } from '../http/respond.ts';
import { createLog } from '../log.ts';
import { createDrain } from './drain.ts';
import { readIdentity, verifyArtifact } from './identity.ts';
import { createLightResponse, createNodeListener } from './node-adapter.ts';
import { openStore } from './store.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    for (const { name, default: value, meaning } of VARIABLES) {
      say(`${name.padEnd(30)} ${meaning} [${value || 'none'}]`);
    }
    return;
  }
  const config = parseConfig(process.env);
  const store = await openStore(config);
  const log = createLog(say, { requests: config.log === 'requests', now: systemClock.now });

  const server = createServer({
    // Slow clients: a head has 10 s, a whole request the configured time, looked at each second.
    headersTimeout: Math.min(10_000, config.requestTimeoutMs),
    requestTimeout: config.requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    // Longer than the 60 s of usual proxies, so that they close first and never meet a reset.
    keepAliveTimeout: 65_000,
  });
  const drain = createDrain(server);
  const app = createApp({
    db: store,
    config,
    log,
    createResponse: createLightResponse,
    platform: {
      ...readIdentity('node', process.versions.node),
      isDraining: () => drain.draining,
      verify: () => verifyArtifact(dirname(fileURLToPath(import.meta.url))),
    },
  });
  server.on(
    'request',
    createNodeListener(app.fetch, (error) =>
      log.error('response failed', { error: error instanceof Error ? error.stack : String(error) }),
    ),
  );

  answerParserErrors(server);

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    const start = systemClock.monotonic();
    const { destroyed } = await drain.start(config.drainMs);
    await store.close();
    const durationMs = Math.round(systemClock.monotonic() - start);
    say(
      JSON.stringify({ event: 'stopped', atMs: systemClock.now(), signal, durationMs, destroyed }),
    );
    process.exitCode = 0;
    // Node ends by itself now; unref'd timers or a stuck stdout must not keep it.
    setTimeout(() => process.exit(0), 100).unref();
  };
  process.on('SIGTERM', (signal) => void stop(signal));
  process.on('SIGINT', (signal) => void stop(signal));

  const port = await listen(server, config.port, config.host);
  say(
    JSON.stringify({
      event: 'listening',
      atMs: systemClock.now(),
      port,
      url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}/`,
      pid: process.pid,
    }),
  );
}

/** What the HTTP parser or its clock refused never reaches the app; it is answered as the app would. */
function answerParserErrors(server: Server): void {
  const statuses: Record<string, number> = {
    HPE_HEADER_OVERFLOW: 431,
    ERR_HTTP_REQUEST_TIMEOUT: 408,
    HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  };
  const fields = Object.entries({
    ...SECURITY_HEADERS,
    'content-type': 'text/plain; charset=utf-8',
    connection: 'close',
  })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const status = statuses[error.code ?? ''] ?? 400;
    const body = `${STATUS_CODES[status]}\n`;
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`,
    );
  });
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A long queue: a burst of new connections waits there rather than being refused.
    server.listen({ port, host, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Tells why it ended, as one JSON line, and sets the exit code. */
function fail(error: unknown): void {
  const isConfig = error instanceof ConfigError;
  const { code, message } = error as { code?: string; message?: string };
  complain(
    JSON.stringify({
      event: 'failed',
      atMs: Date.now(),
      code: isConfig ? 'CONFIG_INVALID' : (code ?? 'START_FAILED'),
      message: message ?? String(error),
      ...(isConfig ? {} : { stack: (error as Error).stack }),
      ...(isConfig ? { faults: error.faults } : {}),
    }),
  );
  process.exitCode = isConfig ? 2 : 1;
}

// The last resort: after an error that nobody caught, the state of the process is unknown.
process.on('uncaughtException', (error) => {
  fail(error);
  process.exit();
});
main().catch(fail);
