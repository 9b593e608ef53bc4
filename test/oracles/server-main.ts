/**
 * A server whose true behaviour is known, run as a process of its own: `node server-main.ts
 * '{"kind":"delay","ms":20}'`. It speaks just enough HTTP to answer GETs and bodies by
 * Content-Length, times on the monotonic clock, and never answers early.
 */
import net from 'node:net';
import type { Behaviour, ServerStats, ToServer } from './harness.ts';

const behaviour = JSON.parse(process.argv[2]!) as Behaviour;
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const OK = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');

const stats: ServerStats = { requests: 0, connections: 0, arrivalsPer100Ms: [], truthUs: [] };
const sockets = new Set<net.Socket>();
let firstRequestMs: number | null = null;
/** Serial server: when it is free again. */
let freeAtMs = 0;

/** Run at or after `dueMs`, never before it, as timers may be a millisecond early. */
function at(dueMs: number, action: () => void): void {
  const waitMs = dueMs - nowMs();
  if (waitMs <= 0) action();
  else setTimeout(() => at(dueMs, action), Math.max(1, Math.floor(waitMs)));
}

function respond(socket: net.Socket, number: number): void {
  const { kind } = behaviour;
  const now = nowMs();
  const send = (bytes: Buffer | string) => {
    if (!socket.destroyed) socket.write(bytes);
  };
  switch (kind) {
    case 'delay':
      at(now + behaviour.ms, () => send(OK));
      return;
    case 'delays':
      at(now + behaviour.ms[number % behaviour.ms.length]!, () => {
        send(OK);
        stats.truthUs.push((nowMs() - now) * 1000);
      });
      return;
    case 'serial':
      freeAtMs = Math.max(now, freeAtMs) + behaviour.ms;
      at(freeAtMs, () => send(OK));
      return;
    case 'stall': {
      const startMs = firstRequestMs! + behaviour.afterMs;
      const endMs = startMs + behaviour.ms;
      if (now >= startMs && now < endMs) at(endMs, () => send(OK));
      else send(OK);
      return;
    }
    case 'hang':
      if (number % behaviour.every !== 0) send(OK);
      return;
    case 'status':
      send(
        `HTTP/1.1 ${number % behaviour.every === 0 ? behaviour.status : 200} X\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    case 'close':
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello');
      return;
    case 'idle-close':
      socket.setTimeout(behaviour.ms, () => socket.end());
      send(OK);
      return;
    case 'raw':
      for (const piece of behaviour.pieces) send(Buffer.from(piece, 'latin1'));
      if (behaviour.after === 'end') socket.end();
      // a reset must not overtake what was written
      if (behaviour.after === 'reset') setTimeout(() => socket.resetAndDestroy(), 20);
      return;
    case 'halves':
      send(Buffer.from(behaviour.first, 'latin1'));
      at(now + behaviour.ms, () => {
        send(Buffer.from(behaviour.rest, 'latin1'));
        if (behaviour.after === 'end') socket.end();
      });
      return;
    case 'endless-head':
      send(`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`);
      return;
    case 'bytewise': {
      const bytes = Buffer.from(behaviour.response, 'latin1');
      let sent = 0;
      const next = () => {
        if (socket.destroyed || sent >= bytes.length) return;
        socket.write(bytes.subarray(sent, ++sent), () => setImmediate(next));
      };
      next();
      return;
    }
  }
}

function onRequest(socket: net.Socket): void {
  const now = nowMs();
  firstRequestMs ??= now;
  stats.requests++;
  const slot = Math.floor((now - firstRequestMs) / 100);
  stats.arrivalsPer100Ms[slot] = (stats.arrivalsPer100Ms[slot] ?? 0) + 1;
  respond(socket, stats.requests);
}

function onConnection(socket: net.Socket): void {
  stats.connections++;
  sockets.add(socket);
  socket.setNoDelay(true);
  let pending = '';
  socket.on('data', (chunk) => {
    pending += chunk.toString('latin1');
    for (;;) {
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(pending.slice(0, end))?.[1] ?? 0);
      if (pending.length < end + 4 + length) return;
      pending = pending.slice(end + 4 + length);
      onRequest(socket);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
}

const server = net.createServer(onConnection);
let port = 0;

function listen(): void {
  server.listen({ host: '127.0.0.1', port, backlog: 1024 }, () => {
    port = (server.address() as net.AddressInfo).port;
    process.send!({ type: 'listening', port });
  });
}

process.on('message', (message: ToServer) => {
  if (message.type === 'stats') {
    const arrivalsPer100Ms = Array.from(stats.arrivalsPer100Ms, (count) => count ?? 0);
    process.send!({ type: 'stats', stats: { ...stats, arrivalsPer100Ms } });
  } else if (message.type === 'down') {
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
    process.send!({ type: 'down' });
  } else listen();
});
process.on('disconnect', () => process.exit());
listen();
