/** Reads request bodies up to a limit, and takes a post out of a form. */
import type { AppContext, FieldFault } from './respond.ts';

/** Room for the longest content in UTF-8, and percent-encoded in any script of the basic plane. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** A request that the client has to change: becomes a 4xx with this text. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly status: number;
  readonly title: string;
  /** Headers for the answer. */
  readonly headers: Record<string, string>;
  readonly errors: FieldFault[] | undefined;
  constructor(
    status: number,
    title: string,
    detail: string,
    { headers = {}, errors }: { headers?: Record<string, string>; errors?: FieldFault[] } = {},
  ) {
    super(detail);
    this.status = status;
    this.title = title;
    this.headers = headers;
    this.errors = errors;
  }
}

export const tooLarge = () =>
  new RequestFault(413, 'Content Too Large', `A request body may have ${MAX_BODY_BYTES} bytes.`);

export const cutShort = () =>
  new RequestFault(400, 'Bad Request', 'The body ended before its end.');

const notUtf8 = () => new RequestFault(400, 'Bad Request', 'The body is not valid UTF-8.');

/** The connection ends with it: what still comes would be read as the next request. */
export const tooSlow = () =>
  new RequestFault(408, 'Request Timeout', 'The body did not arrive in time.', {
    headers: { connection: 'close' },
  });

/** A request that reads its body by itself, as Node's adapter makes them. */
export interface ReadsBody {
  /** Rejects with tooLarge(), tooSlow() or cutShort(). */
  readBody(maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
}

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

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Text that is not UTF-8 is refused: stored with U+FFFD in it, it would be another text. */
function decode(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw notUtf8();
  }
}

async function readBytes(c: AppContext): Promise<Uint8Array<ArrayBuffer>> {
  refuseEncoding(c);
  const declared = c.req.header('content-length');
  if (declared !== undefined && Number(declared) > MAX_BODY_BYTES) throw tooLarge();
  const raw = c.req.raw as Request & Partial<ReadsBody>;
  return raw.readBody === undefined ? readStream(c) : raw.readBody(MAX_BODY_BYTES);
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
        // Not awaited: a runtime may wait for the client here, and the answer must not.
        reader.cancel().catch(() => {});
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
    const text = decode(await readBytes(c));
    const form = new URLSearchParams(text);
    const fields = { title: form.get('title') ?? '', content: form.get('content') ?? '' };
    if (hasReplacement(fields)) refuseBrokenEscapes(text);
    return fields;
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
    const fields = { title: field('title'), content: field('content') };
    if (hasReplacement(fields)) decode(body);
    return fields;
  }
  throw new RequestFault(
    415,
    'Unsupported Media Type',
    'Send the form as application/x-www-form-urlencoded or multipart/form-data.',
  );
}

/** U+FFFD: typed by someone, or what the platform's parsers put where bytes are not UTF-8. */
const hasReplacement = ({ title, content }: { title: string; content: string }): boolean =>
  title.includes('\ufffd') || content.includes('\ufffd');

/** Throws where percent-encoded bytes are not UTF-8; each run of them has to be, on its own. */
function refuseBrokenEscapes(text: string): void {
  for (const match of text.matchAll(/(?:%[0-9a-f]{2})+/gi)) {
    try {
      decodeURIComponent(match[0]);
    } catch {
      throw notUtf8();
    }
  }
}

/** The body as a JSON object. Throws RequestFault. */
export async function readJsonObject(c: AppContext): Promise<Record<string, unknown>> {
  if (mediaType(c) !== 'application/json') {
    throw new RequestFault(415, 'Unsupported Media Type', 'Send the body as application/json.');
  }
  const text = decode(await readBytes(c));
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
