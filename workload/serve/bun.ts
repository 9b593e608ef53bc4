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

await run({
  name: 'bun',
  version: Bun.version,
  timesBodies: false,
  async listen(app, config) {
    const { answer, announce } = announcedDrain(
      (request) => refuseHost(request) ?? app.fetch(request),
    );
    const server = Bun.serve({
      port: config.port,
      hostname: config.host,
      // The app's own limit answers with 413 and all headers; Bun's would with none. It reads no more
      // than that of a body, so Bun has nothing to bound.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: Math.min(255, Math.ceil(config.requestTimeoutMs / 1000)),
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
