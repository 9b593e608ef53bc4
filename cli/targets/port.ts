/** Is the port free, and if not, who has it. Checked before anything expensive is begun. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { ScratchpadError } from '../errors.ts';

/** A port of 127.0.0.1 that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @throws PORT_IN_USE naming the holder where it can be found, or where we may not listen there */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const error = await tryListen(host, port);
  if (error === null) return;
  if (error.code === 'EACCES') {
    throw new ScratchpadError('PORT_IN_USE', `Not allowed to listen on ${host}:${port}.`, {
      cause: error,
      hint: 'Choose a port above 1023 with `--port`.',
    });
  }
  const holder = error.code === 'EADDRINUSE' ? portHolder(port) : null;
  const by = holder ? ` by ${holder.command} (pid ${holder.pid})` : '';
  throw new ScratchpadError('PORT_IN_USE', `${host}:${port} is in use${by}.`, {
    cause: error,
    hint: 'Choose another port with `--port`, or end what holds it.',
    details: { host, port, ...(holder ? { holder } : {}) },
  });
}

function tryListen(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    // exclusive: no sharing with a cluster's primary
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/**
 * The process that listens on a TCP port, from /proc/net/tcp{,6} and /proc/PID/fd. null where it
 * cannot be told: not Linux, another user's process, another network namespace.
 */
export function portHolder(port: number): { pid: number; command: string } | null {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const pid of readdirOrEmpty('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of readdirOrEmpty(`/proc/${pid}/fd`)) {
      const match = /^socket:\[(\d+)\]$/.exec(linkOrEmpty(`/proc/${pid}/fd/${fd}`));
      if (match && inodes.has(match[1]!)) return { pid: Number(pid), command: commandOf(pid) };
    }
  }
  return null;
}

const TCP_LISTEN = '0A';

function listeningInodes(port: number): Set<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of textOrEmpty(file).split('\n').slice(1)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) && fields[3] === TCP_LISTEN && fields[9]) {
        inodes.add(fields[9]);
      }
    }
  }
  return inodes;
}

function commandOf(pid: string): string {
  const words = textOrEmpty(`/proc/${pid}/cmdline`).split('\0').filter(Boolean);
  return words.join(' ').slice(0, 120) || textOrEmpty(`/proc/${pid}/comm`).trim() || 'a process';
}

function readdirOrEmpty(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function textOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
