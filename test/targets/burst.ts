/** Many connections at once, each with one request: what becomes of each. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/** Why the queue of another process's port cannot be made longer here; false: it can. */
export function queueStaysShort(): string | false {
  if (process.platform !== 'linux') return 'only Linux offers a way';
  if (process.getuid?.() === 0) return false;
  try {
    const scope = readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'utf8').trim();
    return scope === '0' ? false : `kernel.yama.ptrace_scope is ${scope}, and it is not root`;
  } catch {
    return false; // no Yama
  }
}

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
