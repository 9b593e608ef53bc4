/** The scratch pad on Node: `node server.mjs`, configured by the environment (config.ts). */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorFields } from '../log.ts';
import { createDrain } from './drain.ts';
import { run } from './lifecycle.ts';
import { createLightResponse, createNodeListener } from './node-adapter.ts';
import { answerExpectations, answerParserErrors, cutOffStalled } from './refusals.ts';

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
      // Node's own answer to a request without one is bare; the listener sees to it.
      requireHostHeader: false,
      // A request without a body is no stream, which cost a tenth of the time of a short answer.
      optimizeEmptyRequests: true,
    });
    const drain = createDrain(server);
    const listener = createNodeListener(app.fetch, (error) =>
      log.error('response failed', errorFields(error)),
    );
    server.on('request', listener);
    answerExpectations(server, listener);
    answerParserErrors(server);
    cutOffStalled(drain.connections, config.requestTimeoutMs);
    const port = await listen(server, config.port, config.host);
    return { port, stop: (deadlineMs) => drain.start(deadlineMs) };
  },
});

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
