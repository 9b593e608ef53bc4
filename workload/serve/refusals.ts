/**
 * What ends a connection of Node's HTTP server out of turn, so that the client still learns why:
 * answers to what the server refuses before the app sees it, with the headers of every other answer,
 * and the end of clients that do not take their answers.
 */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { MAX_BODY_BYTES } from '../http/body.ts';
import { PLAIN_HEADERS } from '../http/respond.ts';
import { openAnswer } from './drain.ts';
import { endGently, endGentlyBehindAnswer, isEnding } from './gentle-end.ts';

const CLOSING_HEADERS = { ...PLAIN_HEADERS, connection: 'close' };

/** Answers with the status alone, and ends the connection behind it. */
export function refusePlainly(response: ServerResponse, status: number): void {
  if (!response.req.complete) endGentlyBehindAnswer(response.req.socket);
  const body = `${STATUS_CODES[status]}\n`;
  response.writeHead(status, { ...CLOSING_HEADERS, 'content-length': body.length });
  response.end(body);
}

/** Takes the place of Node's own answers to expectations, which are bare. */
export function answerExpectations(
  server: Server,
  listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): void {
  server.on('checkExpectation', (_, response) => refusePlainly(response, 417));
  server.on('checkContinue', (incoming, response) => {
    // A body that is too long by its own account is not asked for: the app refuses it unseen.
    if (!(Number(incoming.headers['content-length']) > MAX_BODY_BYTES)) response.writeContinue();
    listener(incoming, response);
  });
}

const late = new WeakSet<IncomingMessage>();

/** Whether its time was over before it was here as a whole. */
export const isLate = (incoming: IncomingMessage): boolean => late.has(incoming);

const STATUSES: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** What the HTTP parser or its clock refused never reaches the app; it is answered as the app would. */
export function answerParserErrors(server: Server): void {
  /** Sockets whose refusal waits for the answers to the requests before it. */
  const waiting = new WeakSet<Socket>();

  const refuse = (socket: Socket, code: string | undefined): void => {
    // A parser that has failed says so again for all that still comes.
    if (isEnding(socket)) return;
    if (code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const answer = openAnswer(socket);
    if (answer?.req.complete === true) {
      // It is about a later request; the answers before it come first, or they would be taken for it.
      if (waiting.has(socket)) return;
      waiting.add(socket);
      answer.once('close', () => {
        waiting.delete(socket);
        refuse(socket, code);
      });
      return;
    }
    if (answer !== null && code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      // The app answers by itself: it is told where it waits for the body or when it comes to that, and
      // then takes nothing of what comes late. Any other answer is on its way, and ends the connection.
      late.add(answer.req);
      answer.req.emit('timeout');
      return;
    }
    if (answer?.headersSent === true) {
      socket.destroy();
      return;
    }
    const status = STATUSES[code ?? ''] ?? 400;
    const body = `${STATUS_CODES[status]}\n`;
    const fields = Object.entries({ ...CLOSING_HEADERS, 'content-length': body.length });
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`);
    endGently(socket);
  };
  // Without a listener Node ends such a connection, and the answers before it, without a word.
  server.on('connect', (_, socket) => refuse(socket as Socket, 'NO_PROXY'));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
    refuse(socket as Socket, error.code),
  );
}

/**
 * Cuts off clients that take nothing of their answers for `stallMs`. What an open answer holds in
 * memory is bounded (Node stops reading a client that does not read), but nothing else would ever
 * end it. Looked at once a second, as Node's own clocks are, so that no request pays for it.
 */
export function cutOffStalled(connections: ReadonlySet<Socket>, stallMs: number): void {
  const known = new WeakMap<Socket, { takenBytes: number; sinceMs: number }>();
  setInterval(() => {
    const nowMs = performance.now();
    for (const socket of connections) {
      const waitingBytes = queuedBytes(socket);
      if (waitingBytes === 0) {
        known.delete(socket);
        continue;
      }
      const takenBytes = socket.bytesWritten - waitingBytes;
      const last = known.get(socket);
      if (last?.takenBytes !== takenBytes) known.set(socket, { takenBytes, sinceMs: nowMs });
      else if (nowMs - last.sinceMs >= stallMs) socket.destroy();
    }
  }, 1_000).unref();
}

/** Bytes that the kernel has not taken yet. */
function queuedBytes(socket: Socket): number {
  const handle = (socket as Socket & { _handle?: { writeQueueSize?: number } | null })._handle;
  return handle?.writeQueueSize ?? 0;
}
