/**
 * The scratch pad on Deno: `deno run --allow-env --allow-net --allow-read --allow-write --allow-ffi
 * --allow-sys deno.mjs`. Same bundle of app and native libSQL, Deno's own HTTP server.
 */
import { announcedDrain } from './announced-drain.ts';
import { refuseHost } from './host.ts';
import { run } from './lifecycle.ts';

interface DenoServer {
  addr: { port: number };
  shutdown(): Promise<void>;
}
declare const Deno: {
  version: { deno: string };
  serve(
    options: { port: number; hostname: string; onListen(): void },
    handler: (request: Request) => Response | Promise<Response>,
  ): DenoServer;
};

await run({
  name: 'deno',
  version: Deno.version.deno,
  timesBodies: false,
  async listen(app, config) {
    const { answer, announce } = announcedDrain(
      (request) => refuseHost(request) ?? app.fetch(request),
    );
    const server = Deno.serve(
      { port: config.port, hostname: config.host, onListen: () => {} },
      answer,
    );
    return {
      port: server.addr.port,
      async stop(deadlineMs) {
        const { leftMs } = await announce(deadlineMs);
        return within(leftMs, server.shutdown());
      },
    };
  },
});

/** Deno tells no count of the connections it drops at the end. */
async function within(deadlineMs: number, drained: Promise<void>): Promise<{ destroyed: number }> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<number>((resolve) => {
    timer = setTimeout(() => resolve(1), deadlineMs);
  });
  const destroyed = await Promise.race([drained.then(() => 0), late]);
  clearTimeout(timer);
  return { destroyed };
}
