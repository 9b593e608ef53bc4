/** The scratch pad on Bun: `bun bun.mjs`. Same bundle of app and native libSQL, Bun's HTTP server. */
import { announcedDrain } from './announced-drain.ts';
import { refuseHost } from './host.ts';
import { run } from './lifecycle.ts';

interface BunServer {
  port: number;
  pendingRequests: number;
  stop(closeActiveConnections?: boolean): Promise<void>;
}
declare const Bun: {
  version: string;
  serve(options: {
    port: number;
    hostname: string;
    maxRequestBodySize: number;
    idleTimeout: number;
    fetch(request: Request): Response | Promise<Response>;
  }): BunServer;
};

/** Bun looks at idle connections every so many seconds, so the first of them may be next to nothing. */
const IDLE_STEP_SECONDS = 4;
const MAX_IDLE_SECONDS = 255;

await run({
  name: 'bun',
  version: Bun.version,
  timesBodies: false,
  async listen(app, config) {
    const idleSeconds = Math.min(
      MAX_IDLE_SECONDS - IDLE_STEP_SECONDS,
      Math.ceil(config.requestTimeoutMs / 1000),
    );
    // Node says so by itself: a client that knows it does not send on a connection that is about to end.
    const keepAlive = `timeout=${idleSeconds}`;
    const { answer, announce } = announcedDrain(async (request) => {
      const response = refuseHost(request) ?? (await app.fetch(request));
      response.headers.set('keep-alive', keepAlive);
      return response;
    });
    const server = Bun.serve({
      port: config.port,
      hostname: config.host,
      // The app's own limit answers with 413 and all headers; Bun's would with none. It reads no more
      // than that of a body, so Bun has nothing to bound.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: idleSeconds + IDLE_STEP_SECONDS,
      fetch: answer,
    });
    return {
      port: server.port,
      async stop(deadlineMs) {
        const { leftMs } = await announce(deadlineMs);
        let destroyed = 0;
        const deadline = setTimeout(() => {
          destroyed = Math.max(1, server.pendingRequests);
          void server.stop(true);
        }, leftMs);
        await server.stop();
        clearTimeout(deadline);
        return { destroyed };
      },
    };
  },
});
