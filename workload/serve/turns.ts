/**
 * One request of a connection after the other. Node hands over every request that a packet holds;
 * answered at once, they would be answered into memory, megabytes for each connection. Held back
 * without more, they keep Node's own brake from being pulled, which looks at answers alone, and a
 * client that only sends would fill the memory with requests. So the connection is not read while one
 * of its requests waits: what waits is at most what a single read brought.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How many requests of a connection wait. */
const waiting = new WeakMap<Socket, number>();

/** Whether the answers before this one are sent. */
export const isDue = (outgoing: ServerResponse): boolean => outgoing.socket !== null;

/** Resolves when they are; never where the connection ends before. */
export function untilDue(outgoing: ServerResponse, socket: Socket): Promise<void> {
  const before = waiting.get(socket);
  waiting.set(socket, (before ?? 0) + 1);
  // Node resumes by itself when an answer has been taken, whoever paused.
  if (before === undefined) socket.on('resume', () => waiting.get(socket)! > 0 && socket.pause());
  socket.pause();
  return new Promise((resolve) => {
    outgoing.once('socket', () => {
      const left = waiting.get(socket)! - 1;
      waiting.set(socket, left);
      if (left === 0) socket.resume();
      resolve();
    });
  });
}
