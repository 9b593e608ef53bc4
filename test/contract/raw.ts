/** Requests as bytes, for what no HTTP client would send. */
import { connect } from 'node:net';

export interface RawReply {
  /** null: the connection ended, or nothing came in time, without a whole status line. */
  status: number | null;
  head: string;
  body: string;
  /** How the exchange ended. */
  end: 'closed' | 'reset' | 'timeout' | 'refused';
  durationMs: number;
}

/** The statuses of all answers of an exchange, in order. */
export const statusesOf = ({ head, body }: Pick<RawReply, 'head' | 'body'>): string[] =>
  [...`${head}\r\n\r\n${body}`.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status!);

/**
 * Writes the chunks one after another, each in a packet of its own, and reads until the server
 * closes, `timeoutMs` have passed, or `done` says that enough has come.
 */
export function exchange(
  url: string,
  chunks: Array<string | Uint8Array>,
  {
    timeoutMs = 5_000,
    pauseMs = 0,
    holdMs = 0,
    writeOn = false,
    done,
  }: {
    timeoutMs?: number;
    pauseMs?: number;
    /** Read nothing for so long. */
    holdMs?: number;
    /** Go on writing when the server has ended its side; the exchange ends with the last chunk. */
    writeOn?: boolean;
    done?: (received: string) => boolean;
  } = {},
): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  const start = performance.now();
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      allowHalfOpen: writeOn,
    });
    let received = '';
    let ended = false;
    const finish = (end: RawReply['end']) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      socket.destroy();
      const split = received.indexOf('\r\n\r\n');
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(received);
      resolve({
        status: status === null ? null : Number(status[1]),
        head: split === -1 ? received : received.slice(0, split),
        body: split === -1 ? '' : received.slice(split + 4),
        end,
        durationMs: performance.now() - start,
      });
    };
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      if (done?.(received)) finish('closed');
    });
    if (holdMs > 0) {
      socket.pause();
      setTimeout(() => socket.resume(), holdMs);
    }
    if (!writeOn) socket.on('end', () => finish('closed'));
    socket.on('close', () => finish('closed'));
    socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      finish(code === 'ECONNREFUSED' ? 'refused' : 'reset'),
    );
    const write = (index: number): void => {
      if (index === chunks.length && writeOn) finish('closed');
      if (index === chunks.length || ended || socket.destroyed) return;
      socket.write(chunks[index]!, () => {
        if (pauseMs > 0) setTimeout(() => write(index + 1), pauseMs);
        else write(index + 1);
      });
    };
    socket.on('connect', () => write(0));
  });
}
