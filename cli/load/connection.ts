/**
 * One connection and the request in flight on it. Reads go into a buffer that all connections of a
 * worker share (`onread`), straight into the parser; there is no object per request.
 */
import net from 'node:net';
import tls from 'node:tls';
import { nowUs } from './clock.ts';
import type { Deadline } from './deadlines.ts';
import type { VirtualUser } from './item-store.ts';
import type { FollowUp } from './items.ts';
import { ResponseParser } from './parser.ts';
import type { Endpoint } from './request.ts';

/** What a connection tells its owner. `error` is a name of the record's `errors`. */
export interface ConnectionOwner {
  connected(connection: Connection, now: number): void;
  /** The response is complete; `now` is when its last byte was read. */
  responded(connection: Connection, now: number): void;
  /** The request in flight (or connecting) has failed; the connection is closed. */
  broken(connection: Connection, now: number, error: string): void;
  /** An idle connection was closed by the other side, or sent what nobody asked for. */
  lostIdle(connection: Connection, unsolicited: boolean): void;
}

export type RequestKind = 'measured' | 'warm' | 'verify';

const CONNECTING = 0;
const IDLE = 1;
const BUSY = 2;
const CLOSED = 3;

export class Connection implements Deadline {
  // the request in flight
  index = 0;
  operation = 0;
  kind: RequestKind = 'measured';
  intendedUs = 0;
  /** When the generator took the request up: intended + lag. */
  takenUs = 0;
  sentUs = 0;
  firstByteUs = 0;
  user: VirtualUser | null = null;
  /** What the response will be checked against; null for a request that is not. */
  followUp: FollowUp | null = null;
  /** Whether the request in flight is the first on this connection. */
  isFresh = true;
  /** The response came in more than one read, the one that finds the connection's end included. */
  inPieces = false;
  /** The request has been handed to the kernel whole. */
  onWire = false;

  // Deadline
  deadlineUs = 0;
  previous: Connection | null = null;
  next: Connection | null = null;

  readonly startedUs: number;
  /** Set with `Keep-Alive: timeout`: not to be used after it. */
  usableUntilUs = Number.POSITIVE_INFINITY;
  readonly parser = new ResponseParser();
  private readonly owner: ConnectionOwner;
  private socket: net.Socket;
  private state = CONNECTING;
  private tcpConnected = false;
  private readonly isTls: boolean;

  constructor(owner: ConnectionOwner, endpoint: Endpoint, readBuffer: Uint8Array, now: number) {
    this.owner = owner;
    this.startedUs = now;
    this.isTls = endpoint.tls;
    this.socket = connect(endpoint, {
      buffer: readBuffer,
      callback: (bytesRead, buffer) => {
        this.read(bytesRead, buffer);
        return true;
      },
    });
    this.socket.once('connect', () => {
      this.tcpConnected = true;
      if (!this.isTls) this.opened();
    });
    if (this.isTls) this.socket.once('secureConnect', () => this.opened());
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.failed(error));
    this.socket.on('end', () => this.ended());
    this.socket.on('close', () => this.ended());
  }

  get isOpen(): boolean {
    return this.state !== CLOSED;
  }

  get isBusy(): boolean {
    return this.state === BUSY;
  }

  /** Send the request in flight. The caller has set its fields. */
  send(bytes: Buffer, isHead: boolean, now: number): void {
    this.state = BUSY;
    this.sentUs = now;
    this.firstByteUs = 0;
    this.inPieces = false;
    this.parser.begin(isHead);
    this.socket.write(bytes);
    // A small request on a plain socket goes to the kernel at once; else it is known to be out
    // when the server answers.
    this.onWire = !this.isTls && (bytes.length < 8192 || this.socket.writableLength === 0);
  }

  /** Wait for the next request. */
  idle(): void {
    this.state = IDLE;
    this.isFresh = false;
  }

  close(): void {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    this.socket.destroy();
  }

  private opened(): void {
    if (this.state === CONNECTING) this.owner.connected(this, nowUs());
  }

  private read(bytesRead: number, buffer: Uint8Array): void {
    if (this.state !== BUSY) {
      if (this.state === IDLE) this.dropIdle(true);
      return;
    }
    const now = nowUs();
    if (this.firstByteUs === 0) this.firstByteUs = now;
    else this.inPieces = true;
    const { parser } = this;
    const at = parser.execute(buffer, 0, bytesRead);
    if (parser.done) {
      // what follows a complete response belongs to no request: the connection is out of step
      if (at < bytesRead) parser.keepAlive = false;
      this.owner.responded(this, now);
    } else if (parser.failed) this.breakWith('PARSE', now);
  }

  private ended(): void {
    if (this.state === CLOSED) return;
    if (this.state === IDLE) {
      this.dropIdle(false);
      return;
    }
    const now = nowUs();
    if (this.state === BUSY && this.parser.finish()) {
      // the end of a body that only the connection's end tells came after its last byte
      this.inPieces = true;
      this.owner.responded(this, now);
    } else if (this.state === CONNECTING && this.isTls && this.tcpConnected) {
      this.breakWith('TLS', now);
    } else this.breakWith(this.firstByteUs === 0 ? 'ECONNRESET' : 'EOF_MID_BODY', now);
  }

  private failed(error: NodeJS.ErrnoException): void {
    if (this.state === CLOSED) return;
    if (this.state === IDLE) this.dropIdle(false);
    else {
      const isTlsError = this.isTls && this.tcpConnected && this.state === CONNECTING;
      this.breakWith(isTlsError ? 'TLS' : errorName(error), nowUs());
    }
  }

  private dropIdle(unsolicited: boolean): void {
    this.close();
    this.owner.lostIdle(this, unsolicited);
  }

  private breakWith(error: string, now: number): void {
    this.close();
    this.owner.broken(this, now, error);
  }
}

/** The record's name of a socket error. */
function errorName(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EPIPE':
      return 'ECONNRESET';
    case 'ETIMEDOUT':
      return 'CONNECT_TIMEOUT';
    case undefined:
      return 'SOCKET';
    default:
      return /^(ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(error.code)
        ? 'TLS'
        : error.code;
  }
}

interface OnRead {
  buffer: Uint8Array;
  callback(bytesRead: number, buffer: Uint8Array): boolean;
}

function connect(endpoint: Endpoint, onread: OnRead): net.Socket {
  const where = endpoint.socketPath
    ? { path: endpoint.socketPath }
    : { host: endpoint.host!, port: endpoint.port };
  if (!endpoint.tls) return net.connect({ ...where, noDelay: true, onread });
  // `onread` works for TLS as it does for TCP; only the type declarations do not know it
  const options: tls.ConnectionOptions & { onread: OnRead } = {
    ...where,
    onread,
    rejectUnauthorized: !endpoint.insecure,
    ALPNProtocols: ['http/1.1'],
    ...(endpoint.serverName === null ? {} : { servername: endpoint.serverName }),
  };
  const socket = tls.connect(options);
  socket.setNoDelay(true);
  return socket;
}
