/** The scratch pad on Node: `node server.mjs`, configured by the environment (config.ts). */
import { createServer, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SECURITY_HEADERS } from '../http/respond.ts';
import { createDrain } from './drain.ts';
import { run } from './lifecycle.ts';
import { createLightResponse, createNodeListener } from './node-adapter.ts';

await run({
  name: 'node',
  version: process.versions.node,
  createResponse: createLightResponse,
  timesBodies: true,
  async listen(app, config, log) {
    const server = createServer({
      // Slow clients: a head has 10 s, a whole request the configured time, looked at each second.
      headersTimeout: Math.min(10_000, config.requestTimeoutMs),
      requestTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      // Longer than the 60 s of usual proxies, so that they close first and never meet a reset.
      keepAliveTimeout: 65_000,
    });
    const drain = createDrain(server);
    server.on(
      'request',
      createNodeListener(app.fetch, (error) =>
        log.error('response failed', {
          error: error instanceof Error ? error.stack : String(error),
        }),
      ),
    );
    answerParserErrors(server);
    const port = await listen(server, config.port, config.host);
    return { port, stop: (deadlineMs) => drain.start(deadlineMs) };
  },
});

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
