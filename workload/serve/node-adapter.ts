/**
 * Between Node's HTTP server and Hono, without Node's fetch classes: the first touch of the global
 * Request, Response or Headers loads all of undici, which costs a start about 60 ms and 14 MB, a
 * third of either (docs/decisions/workload-node-adapter.md). @hono/node-server, the usual adapter,
 * extends those classes and so cannot do without.
 *
 * The app sees what it uses of a Request: method, url, headers.get and, in place of the body's stream,
 * readBody. A HEAD is passed on as GET (Hono would answer it through a global Response); Node leaves
 * the body out.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { cutShort, type ReadsBody, tooLarge, tooSlow } from '../http/body.ts';
import type { ResponseFactory } from '../http/respond.ts';
import { endGentlyBehindAnswer } from './gentle-end.ts';
import { isLate, refusePlainly } from './refusals.ts';
import { isDue, untilDue } from './turns.ts';

/** Passed to Hono as the environment: the method before HEAD was made a GET. */
export interface NodeBindings {
  method: string;
}

type Fetch = (request: Request, env: NodeBindings) => Response | Promise<Response>;

/** A response as plain data. */
class LightResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string | null;
  constructor(body: string | null, init: { status: number; headers: Record<string, string> }) {
    this.status = init.status;
    this.headers = init.headers;
    this.body = body;
  }
}

export const createLightResponse: ResponseFactory = (body, init) =>
  new LightResponse(body, init) as unknown as Response;

class LightHeaders {
  readonly #incoming: IncomingMessage;
  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }
  /** `name` in lower case, as all of the app has it; repeated headers joined as Node joins them. */
  get(name: string): string | null {
    const value = this.#incoming.headers[name];
    if (value === undefined) return null;
    return typeof value === 'string' ? value : value.join(', ');
  }
}

class LightRequest implements ReadsBody {
  readonly method: string;
  readonly url: string;
  readonly headers: LightHeaders;
  readonly #incoming: IncomingMessage;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
    this.method = incoming.method === 'HEAD' ? 'GET' : incoming.method!;
    this.url = `http://localhost${pathOf(incoming.url!)}`;
    this.headers = new LightHeaders(incoming);
  }

  readBody(maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const incoming = this.#incoming;
    if (isLate(incoming)) return Promise.reject(tooSlow());
    // No body was declared: the server ended the stream before the app was asked, without an event.
    if (incoming.readableEnded) return Promise.resolve(new Uint8Array());
    return new Promise((resolve, reject) => {
      const chunks: Buffer<ArrayBuffer>[] = [];
      let size = 0;
      incoming.on('data', (chunk: Buffer<ArrayBuffer>) => {
        size += chunk.byteLength;
        if (size <= maxBytes) {
          chunks.push(chunk);
          return;
        }
        // The listener stays: what still comes is read and dropped while the answer goes out.
        chunks.length = 0;
        reject(tooLarge());
      });
      incoming.on('end', () => {
        // Refused meanwhile: nobody will hear that it was done, so it is not done.
        if (!incoming.socket.writable) reject(cutShort());
        else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      });
      incoming.on('timeout', () => reject(tooSlow()));
      incoming.on('error', () => reject(cutShort()));
    });
  }
}

/**
 * Path and query of a request target: `/path`, or `http://host/path` as proxies send it. The Host
 * header takes no part, so nothing in it can change which page is meant.
 */
function pathOf(target: string): string {
  if (target.charCodeAt(0) === 47) return target;
  const start = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target);
  if (start === null) return `/${target}`;
  const rest = target.slice(start[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The listener for `request` events of a Node HTTP server. */
export function createNodeListener(
  fetch: Fetch,
  onError: (error: unknown) => void,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    // Sent behind another request, without waiting for its answer.
    if (!isDue(outgoing)) await untilDue(outgoing, incoming.socket);
    // The connection is ending, what comes on it is no request any more.
    if (!incoming.socket.writable) return;
    if (incoming.headers.host === undefined && incoming.httpVersion === '1.1') {
      refusePlainly(outgoing, 400);
      return;
    }
    try {
      const request = new LightRequest(incoming) as unknown as Request;
      const response = await fetch(request, { method: incoming.method! });
      // Answered before its body was here: what still comes must not be read as the next request.
      if (!incoming.complete) {
        outgoing.shouldKeepAlive = false;
        endGentlyBehindAnswer(incoming.socket);
      }
      if (response instanceof LightResponse) sendLight(response, outgoing);
      else await sendStandard(response, outgoing);
    } catch (error) {
      // The app answers its own errors; this is a fault of the adapter or a client that is gone.
      if (!outgoing.destroyed) onError(error);
      if (outgoing.headersSent) outgoing.destroy();
      else refusePlainly(outgoing, 500);
    }
  };
}

function sendLight({ status, headers, body }: LightResponse, outgoing: ServerResponse): void {
  const bytes = body === null ? 0 : Buffer.byteLength(body);
  if (status !== 204 && status !== 304) headers['content-length'] = String(bytes);
  outgoing.writeHead(status, headers);
  if (body === null) outgoing.end();
  // Of as many bytes as characters each is ASCII, which is written without being encoded first.
  else outgoing.end(body, bytes === body.length ? 'latin1' : 'utf8');
}

/** For a Response that some other code made; the app itself makes none here. */
async function sendStandard(response: Response, outgoing: ServerResponse): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  for (const [name, value] of response.headers) {
    if (name !== 'set-cookie') outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader('set-cookie', cookies);
  outgoing.writeHead(response.status, { 'content-length': body.byteLength });
  outgoing.end(body);
}
