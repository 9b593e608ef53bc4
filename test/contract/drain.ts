/**
 * How a server ends by a signal, on every runtime: without a reset under load, with what is open
 * finished, whatever else comes, and at once by a second one.
 */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { exchange } from './raw.ts';
import type { RunningServer } from './server.ts';

export function drains(name: string, start: () => Promise<RunningServer>): void {
  describe(`${name} ends in order`, () => {
    test('SIGTERM under load: every request is answered whole, connections end by agreement', async (t) => {
      const server = await start();
      t.after(() => server.process.kill('SIGKILL'));
      let answered = 0;
      const failures: string[] = [];
      /** One keep-alive connection, used until the server says that it closes it. */
      const client = async (): Promise<void> => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        for (let open = true; open; ) {
          open = await new Promise<boolean>((resolve) => {
            request(server.url, { agent }, (response) => {
              const { connection } = response.headers;
              response.resume();
              response.on('end', () => {
                answered++;
                resolve(response.statusCode === 200 && connection !== 'close');
              });
              response.on('error', (error) => failures.push(`response: ${error.message}`));
            })
              .on('error', (error: NodeJS.ErrnoException) => {
                failures.push(error.code ?? error.message);
                resolve(false);
              })
              .end();
          });
        }
        agent.destroy();
      };
      const clients = Array.from({ length: 24 }, client);
      while (answered < 500) await new Promise((resolve) => setImmediate(resolve));
      server.process.kill('SIGTERM');
      await Promise.all(clients);
      assert.equal(await server.exited, 0);
      assert.deepEqual(failures, []);
      const stopped = server.lines.at(-1)!;
      assert.equal(stopped['event'], 'stopped');
      assert.equal(stopped['destroyed'], 0);
      assert.equal(await server.stop(), 0);
    });

    test('SIGTERM while a body is on its way and others keep connecting: it is stored, and the end comes', async (t) => {
      const server = await start();
      t.after(() => server.process.kill('SIGKILL'));
      let answered = 0;
      let hasEnded = false;
      const failures: string[] = [];
      const strangers = Array.from({ length: 24 }, async () => {
        while (!hasEnded) {
          const get = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
          const { status, head, end } = await exchange(server.url, [get]);
          if (status === 200) answered++;
          else if (end !== 'refused') failures.push(`${end} ${head}`);
          else return;
        }
      });
      const form = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n';
      const upload = exchange(
        server.url,
        [`POST /create HTTP/1.1\r\nHost: x\r\n${form}\r\ntitle`, '=late'],
        { pauseMs: 1_000, timeoutMs: 20_000 },
      );
      while (answered < 500) await new Promise((resolve) => setImmediate(resolve));
      server.process.kill('SIGTERM');
      assert.equal((await upload).status, 302, 'what was on its way is done');
      assert.equal(await server.exited, 0);
      hasEnded = true;
      await Promise.all(strangers);
      assert.equal(server.lines.at(-1)!['destroyed'], 0);
      // The kernel resets who is in the queue of a socket that closes, Deno ends whom it has just
      // taken: once a client, or twice (26 of 24 were seen). All through the wait it would be thousands.
      assert.ok(failures.length <= 4 * strangers.length, failures.join('\n'));
      assert.equal(await server.stop(), 0);
    });

    test('a second signal ends it at once, whatever is still open', async (t) => {
      const server = await start();
      t.after(() => server.process.kill('SIGKILL'));
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      t.after(() => socket.destroy());
      const head = 'POST /create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n';
      socket.write(`${head}Content-Type: application/x-www-form-urlencoded\r\n\r\ntitle=`);
      const ready = async (): Promise<{ status: string; handled: number } | null> => {
        const reply = await fetch(new URL('/readyz', server.url)).catch(() => null);
        return reply === null
          ? null
          : ((await reply.json()) as { status: string; handled: number });
      };
      // The request is with the app, and then the drain has begun.
      while ((await ready())?.handled !== 1);
      server.process.kill('SIGTERM');
      while ((await ready())?.status === 'ready');
      server.process.kill('SIGTERM');
      assert.equal(await server.exited, 1, 'it waited for the open request');
      await server.stop();
    });
  });
}
