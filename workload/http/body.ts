/** Reads request bodies up to a limit, and takes a post out of a form. */
import type { AppContext } from './respond.ts';

/** Room for the longest content with every character percent-encoded. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** A request that the client has to change: becomes a 4xx with this text. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly status: number;
  readonly title: string;
  /** Headers for the answer. */
  readonly headers: Record<string, string>;
  constructor(status: number, title: string, detail: string, headers = {}) {
    super(detail);
    this.status = status;
    this.title = title;
    this.headers = headers;
  }
}

const tooLarge = () =>
  new RequestFault(413, 'Content Too Large', `A request body may have ${MAX_BODY_BYTES} bytes.`);

export const cutShort = () =>
  new RequestFault(400, 'Bad Request', 'The body ended before its end.');

/** The connection ends with it: what still comes would be read as the next request. */
const tooSlow = () =>
  new RequestFault(408, 'Request Timeout', 'The body did not arrive in time.', {
    connection: 'close',
  });

/** The media type in lower case without parameters; '' where there is none. */
export function mediaType(c: AppContext): string {
  const header = c.req.header('content-type') ?? '';
  const end = header.indexOf(';');
  return (end === -1 ? header : header.slice(0, end)).trim().toLowerCase();
}

function refuseEncoding(c: AppContext): void {
  const encoding = c.req.header('content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new RequestFault(
      415,
      'Unsupported Media Type',
      'Send the body without content encoding.',
    );
  }
}

/** The body as text. Bytes that are not UTF-8 become U+FFFD. Throws RequestFault. */
export async function readText(c: AppContext): Promise<string> {
  return isPlain(c) ? c.req.text() : new TextDecoder().decode(await readStream(c));
}

async function readBytes(c: AppContext): Promise<Uint8Array<ArrayBuffer>> {
  return isPlain(c) ? new Uint8Array(await c.req.arrayBuffer()) : readStream(c);
}

/** May the runtime read it as a whole? Where it bounds the size (declared) and the time. */
function isPlain(c: AppContext): boolean {
  refuseEncoding(c);
  const declared = c.req.header('content-length');
  if (declared === undefined) return false;
  // The server's parser holds the client to this length.
  if (Number(declared) > MAX_BODY_BYTES) throw tooLarge();
  return c.get('trace').bodyTimeoutMs === null;
}

/** Bounded in size, and in time where the runtime's server has no clock (Deno, Bun, workerd). */
async function readStream(c: AppContext): Promise<Uint8Array<ArrayBuffer>> {
  const stream = c.req.raw.body;
  if (stream === null) return new Uint8Array();
  const reader = stream.getReader();
  const { bodyTimeoutMs } = c.get('trace');
  let isLate = false;
  // Cancelling ends the read that waits, and tells the runtime that nobody wants the rest.
  const end = () => {
    isLate = true;
    reader.cancel().catch(() => {});
  };
  const timer = bodyTimeoutMs === null ? undefined : setTimeout(end, bodyTimeoutMs);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) throw tooSlow();
      if (done) break;
      size += value.byteLength;
      if (size > MAX_BODY_BYTES) {
        await reader.cancel();
        throw tooLarge();
      }
      chunks.push(value);
    }
  } catch (error) {
    if (isLate) throw tooSlow();
    // the client went away in the middle of it: no fault of ours
    throw error instanceof RequestFault ? error : cutShort();
  } finally {
    clearTimeout(timer);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

/** `title` and `content` of a form, '' where they are missing. Throws RequestFault. */
export async function readForm(c: AppContext): Promise<{ title: string; content: string }> {
  const type = mediaType(c);
  if (type === 'application/x-www-form-urlencoded') {
    const form = new URLSearchParams(await readText(c));
    return { title: form.get('title') ?? '', content: form.get('content') ?? '' };
  }
  if (type === 'multipart/form-data') {
    const body = await readBytes(c);
    const header = c.req.header('content-type')!;
    let form: FormData;
    try {
      form = await new Response(body, { headers: { 'content-type': header } }).formData();
    } catch {
      throw new RequestFault(400, 'Bad Request', 'The multipart body is malformed.');
    }
    const field = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' ? value : '';
    };
    return { title: field('title'), content: field('content') };
  }
  throw new RequestFault(
    415,
    'Unsupported Media Type',
    'Send the form as application/x-www-form-urlencoded or multipart/form-data.',
  );
}

/** The body as a JSON object. Throws RequestFault. */
export async function readJsonObject(c: AppContext): Promise<Record<string, unknown>> {
  if (mediaType(c) !== 'application/json') {
    throw new RequestFault(415, 'Unsupported Media Type', 'Send the body as application/json.');
  }
  const text = await readText(c);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RequestFault(400, 'Bad Request', 'The body is not valid JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestFault(400, 'Bad Request', 'The body must be a JSON object.');
  }
  return value as Record<string, unknown>;
}
