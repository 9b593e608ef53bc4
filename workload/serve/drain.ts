/**
 * Stops a Node HTTP server without resetting anyone. `server.close()` alone closes idle keep-alive
 * connections at once, and a request that a client puts on one in that instant meets a reset. Here
 *
 *   1. every answer from now on says `Connection: close`, so busy connections end by agreement;
 *   2. the listening socket closes after the accept queue has been emptied;
 *   3. a connection that stays idle for `idleMs` is half-closed: the client reads an orderly end;
 *   4. what is still open after `deadlineMs` is destroyed.
 */
import type { Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/** Under any load a connection is used again well within this time. */
const IDLE_MS = 250;

export interface Drain {
  /** Resolves when no connection is left. Calling it again returns the same promise. */
  start(deadlineMs: number): Promise<{ destroyed: number }>;
}

/** Watches `server`'s connections from now on; call it before listen(). */
export function createDrain(server: Server, idleMs = IDLE_MS): Drain {
  const open = new Map<Socket, { active: number }>();
  const responses = new Set<ServerResponse>();
  let draining = false;
  let result: Promise<{ destroyed: number }> | null = null;

  server.on('connection', (socket: Socket) => {
    open.set(socket, { active: 0 });
    socket.once('close', () => open.delete(socket));
  });
  server.prependListener('request', (request, response: ServerResponse) => {
    const connection = open.get(request.socket);
    if (connection === undefined) return;
    connection.active++;
    responses.add(response);
    if (draining) response.shouldKeepAlive = false;
    response.once('close', () => {
      connection.active--;
      responses.delete(response);
      if (draining && connection.active === 0) endWhenIdle(request.socket);
    });
  });

  /** An orderly end, unless a request arrives first. */
  const endWhenIdle = (socket: Socket): void => {
    setTimeout(() => {
      if (open.get(socket)?.active === 0) socket.end();
    }, idleMs);
  };

  const start = async (deadlineMs: number): Promise<{ destroyed: number }> => {
    draining = true;
    // Answers not yet begun say close; one whose head is out already ends with its connection idle.
    for (const response of responses) {
      if (!response.headersSent) response.shouldKeepAlive = false;
    }
    // The poll phase before this has accepted whoever waited in the queue.
    await new Promise((resolve) => setImmediate(resolve));
    const closed = new Promise<void>((resolve) => {
      // Not server.close(): http's own version first destroys the idle connections.
      NetServer.prototype.close.call(server, () => resolve());
    });
    for (const [socket, { active }] of open) if (active === 0) endWhenIdle(socket);
    let destroyed = 0;
    const deadline = setTimeout(() => {
      destroyed = open.size;
      for (const socket of open.keys()) socket.destroy();
    }, deadlineMs);
    await closed;
    clearTimeout(deadline);
    return { destroyed };
  };

  return {
    start: (deadlineMs) => (result ??= start(deadlineMs)),
  };
}
