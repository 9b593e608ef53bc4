/**
 * Stops a Node HTTP server without resetting anyone. `server.close()` alone closes idle keep-alive
 * connections at once, and a request that a client puts on one in that instant meets a reset. Here
 *
 *   1. every answer from now on says `Connection: close`, so busy connections end by agreement;
 *   2. the listening socket closes after the accept queue has been emptied;
 *   3. a connection that was idle for `idleMs` is half-closed: the client reads an orderly end, and has
 *      a moment to close its side;
 *   4. what is still open after `deadlineMs` is destroyed.
 *
 * Before the drain it costs a request nothing: no listener is added to one, which alone took a tenth
 * of the time of a short answer. Whether a connection is busy is read from `_httpMessage`, which
 * Node's server keeps on the socket while an answer is open.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { endGently } from './gentle-end.ts';

/** Under any load a connection is used again well within this time. */
const IDLE_MS = 250;

export interface Drain {
  /** Open now. */
  readonly connections: ReadonlySet<Socket>;
  /** Resolves when no connection is left. Calling it again returns the same promise. */
  start(deadlineMs: number): Promise<{ destroyed: number }>;
}

/** The answer that is being made or sent on this connection, null between two of them. */
export const openAnswer = (socket: Socket): ServerResponse | null =>
  (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? null;

/** Watches `server`'s connections from now on; call it before listen(). */
export function createDrain(server: Server, idleMs = IDLE_MS): Drain {
  const open = new Set<Socket>();
  let result: Promise<{ destroyed: number }> | null = null;

  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });

  const start = async (deadlineMs: number): Promise<{ destroyed: number }> => {
    server.prependListener('request', (_: IncomingMessage, response: ServerResponse) => {
      response.shouldKeepAlive = false;
    });
    for (const socket of open) {
      const response = openAnswer(socket);
      // One whose head is out already ends with its connection idle, and is met by the sweep.
      if (response !== null && !response.headersSent) response.shouldKeepAlive = false;
    }
    // The poll phase before this has accepted whoever waited in the queue.
    await new Promise((resolve) => setImmediate(resolve));
    const closed = new Promise<void>((resolve) => {
      // Not server.close(): http's own version first destroys the idle connections.
      NetServer.prototype.close.call(server, () => resolve());
    });

    /** What each idle connection had received when it was last looked at. */
    const idle = new Map<Socket, number>();
    const sweep = (): void => {
      for (const socket of open) {
        if (openAnswer(socket) !== null) idle.delete(socket);
        else if (idle.get(socket) === socket.bytesRead) endGently(socket);
        else idle.set(socket, socket.bytesRead);
      }
    };
    sweep();
    const sweeping = setInterval(sweep, idleMs);
    let destroyed = 0;
    const deadline = setTimeout(() => {
      destroyed = open.size;
      for (const socket of open) socket.destroy();
    }, deadlineMs);
    await closed;
    clearInterval(sweeping);
    clearTimeout(deadline);
    return { destroyed };
  };

  return {
    connections: open,
    start(deadlineMs) {
      result ??= start(deadlineMs);
      return result;
    },
  };
}
