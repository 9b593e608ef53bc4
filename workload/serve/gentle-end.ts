/**
 * The end of a connection whose client may still be sending, or does not know yet: our side first, and
 * time for the client to read what it was sent.
 */
import type { Socket } from 'node:net';

/** How long a client may go on sending behind its last answer, or keep its side open behind our end. */
const LINGER_MS = 2_000;

const ending = new WeakSet<Socket>();

export const isEnding = (socket: Socket): boolean => ending.has(socket);

/**
 * Ends our side. What the client still sends is read and thrown away for a while: closing with
 * unread bytes in the queue resets the connection, and a reset takes the answer from a client
 * that has not read it yet (RFC 9112, section 9.6). Nothing of it is carried out: the listener and
 * the adapter look whether the connection can still be answered.
 */
export function endGently(socket: Socket): void {
  if (ending.has(socket)) return;
  ending.add(socket);
  socket.end();
  const cut = (): void => void socket.destroy();
  const timer = setTimeout(cut, LINGER_MS);
  socket.once('end', cut);
  socket.once('close', () => clearTimeout(timer));
}

/** Behind `Connection: close` Node calls this at the end of the answer; its own destroys at once. */
export function endGentlyBehindAnswer(socket: Socket): void {
  socket.destroySoon = () => endGently(socket);
}
