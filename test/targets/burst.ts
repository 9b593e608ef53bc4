/** Many connections at once, each with one request: what becomes of each. */
import { connect } from 'node:net';

/** The first line of each reply, in order; the error's code or 'TIMEOUT' where there is none. */
export function burst(
  host: string,
  port: number,
  { connections, timeoutMs }: { connections: number; timeoutMs: number },
): Promise<string[]> {
  return Promise.all(Array.from({ length: connections }, () => one(host, port, timeoutMs)));
}

function one(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ host, port });
    const timer = setTimeout(() => {
      resolve('TIMEOUT');
      socket.destroy();
    }, timeoutMs);
    socket.setEncoding('latin1');
    socket.on('connect', () =>
      socket.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    );
    socket.on('data', (chunk: string) => {
      said += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(said.split('\r\n')[0]!);
    });
  });
}
