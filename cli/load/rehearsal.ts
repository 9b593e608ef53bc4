/**
 * A rehearsal before the run: the engine against a server in its own thread, for a moment. The
 * first requests of a cold engine are late by the time it takes to load the network code and to
 * compile the hot path (10 to 50 ms on a busy host), which a short run would report as lag.
 */
import net from 'node:net';
import { nowUs } from './clock.ts';
import { Engine } from './engine.ts';
import { compileOperation, type Endpoint } from './request.ts';
import type { Scenario } from './types.ts';

const ANSWER = Buffer.from(
  'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
);
const PART_MS = 60;

const SCENARIO: Scenario = {
  schemaVersion: 1,
  name: 'rehearsal',
  operations: [{ name: 'rehearsal', weight: 1, method: 'GET', path: '/' }],
};

/** Takes about 150 ms. Where no port can be had there is no rehearsal: the run will tell. */
export async function rehearse(): Promise<void> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    // requests of the engine come whole, one at a time
    socket.on('data', () => socket.write(ANSWER));
    socket.on('error', () => socket.destroy());
  });
  const isListening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port: 0 }, () => resolve(true));
  });
  if (!isListening) return;
  const { port } = server.address() as net.AddressInfo;
  await play('closed', port);
  await play('open', port);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

async function play(loop: 'open' | 'closed', port: number): Promise<void> {
  const endpoint: Endpoint = {
    host: '127.0.0.1',
    port,
    socketPath: null,
    tls: false,
    insecure: false,
    serverName: null,
    authority: `127.0.0.1:${port}`,
    origin: `http://127.0.0.1:${port}`,
  };
  const engine = new Engine(
    {
      plan: {
        loop,
        ratePerSecond: 2000,
        arrival: 'constant',
        connections: 4,
        durationMs: PART_MS,
        warmupMs: 0,
        seed: 1,
        scenario: SCENARIO,
        drainMs: PART_MS,
        timeoutMs: 1000,
      },
      endpoint,
      operations: SCENARIO.operations.map((each) => compileOperation(each, endpoint, '', {})),
      verify: null,
      worker: 0,
      workers: 1,
      connections: 4,
      onDelta: () => {},
    },
    nowUs(),
  );
  engine.start();
  await engine.done;
}
