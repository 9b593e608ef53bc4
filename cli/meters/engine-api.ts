/**
 * The Docker engine's HTTP API over `docker system dial-stdio`: the client's own relay to the
 * engine, so contexts, DOCKER_HOST, TLS and ssh work as they do for the user's `docker`. One relay
 * serves all requests of a meter: starting the client costs about 30 ms of CPU each time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { Duplex } from 'node:stream';
import { ScratchpadError } from '../errors.ts';

export interface EngineCall {
  /** Default `docker`. */
  command?: string | undefined;
  args?: string[] | undefined;
  env?: NodeJS.ProcessEnv | undefined;
}

export interface EngineApi {
  /** The body of a 200. Rejects with ENGINE_FAILED: other status, no engine, time out. */
  get(path: string): Promise<unknown>;
  close(): void;
}

const TIMEOUT_MS = 5_000;

export function openEngineApi(call: EngineCall): EngineApi {
  const relays = new Set<ChildProcess>();
  let lastWords = '';
  let ended: Promise<unknown> = Promise.resolve();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => {
    const relay = spawn(call.command ?? 'docker', [...(call.args ?? []), 'system', 'dial-stdio'], {
      env: call.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    relays.add(relay);
    ended = new Promise<void>((resolve) => {
      relay.once('error', () => resolve());
      relay.once('close', () => resolve());
    });
    relay.once('close', () => relays.delete(relay));
    relay.stderr.on('data', (chunk: Buffer) => {
      lastWords = chunk.toString().trim();
    });
    const stream = Duplex.from({ readable: relay.stdout, writable: relay.stdin });
    relay.once('error', (error) => stream.destroy(error));
    // The agent treats every connection as a net.Socket; on a pipe these have nothing to do.
    const asSocket = { setKeepAlive() {}, setNoDelay() {}, setTimeout() {}, ref() {}, unref() {} };
    return Object.assign(stream, asSocket);
  };
  return {
    get(path) {
      return new Promise((resolve, reject) => {
        const fail = (message: string, cause?: unknown) =>
          reject(
            new ScratchpadError('ENGINE_FAILED', message, {
              cause,
              hint: 'Check that `docker version` reaches the engine.',
            }),
          );
        const outgoing = request(
          { agent, path, host: 'docker', signal: AbortSignal.timeout(TIMEOUT_MS) },
          (incoming) => {
            const chunks: Buffer[] = [];
            incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
            incoming.on('error', (error) => fail(`The engine broke off ${path}`, error));
            incoming.on('end', () => {
              const body = Buffer.concat(chunks).toString();
              if (incoming.statusCode !== 200)
                return fail(
                  `The engine answered ${path} with ${incoming.statusCode}: ${body.trim()}`,
                );
              try {
                resolve(JSON.parse(body));
              } catch (error) {
                fail(`The engine's answer to ${path} is not JSON`, error);
              }
            });
          },
        );
        outgoing.on('error', async (error) => {
          // The pipe breaks before the client's complaint has been read.
          for (const relay of relays) relay.kill();
          await ended;
          fail(`The engine can't be asked for ${path}${lastWords && `: ${lastWords}`}`, error);
        });
        outgoing.end();
      });
    },
    close() {
      agent.destroy();
      for (const relay of relays) relay.kill();
    },
  };
}
