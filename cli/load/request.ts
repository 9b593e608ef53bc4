/**
 * From an operation to bytes. A request without templates is serialised once; one with templates
 * is rendered per request. Also what of the response matters: expected status, body, captures.
 */
import type { Effect, ItemUse } from './creators.ts';
import { parseTemplate, type Template } from './template.ts';
import type { Operation } from './types.ts';

/** Where requests go: resolved once, so that name look-ups are in no latency. */
export interface Endpoint {
  /** IP address; null with `socketPath`. */
  host: string | null;
  port: number;
  socketPath: string | null;
  tls: boolean;
  insecure: boolean;
  /** TLS server name; null where the URL holds an address. */
  serverName: string | null;
  /** Host header. */
  authority: string;
  /** Scheme and authority, as browsers send it. */
  origin: string;
}

export interface Capture {
  name: string;
  from: 'location' | 'json' | 'header' | 'body';
  pattern: string | null;
}

export interface CompiledOperation extends ItemUse {
  name: string;
  isHead: boolean;
  /** It asks for `Connection: close`: no other request follows, whatever the server answers. */
  closes: boolean;
  /** The whole request, where all are the same and only the status of the response matters. */
  fixed: Buffer | null;
  render(lookup: (name: string) => string): Buffer;
  set: Array<{ name: string; template: Template }>;
  captures: Capture[];
  /** Statuses that pass; null: all below 400. */
  expectStatus: ReadonlySet<number> | null;
  expectBody: Template | null;
  /** Whether body or headers must be kept to check or capture. */
  wantsBody: boolean;
  wantsHeaders: boolean;
}

/** Variables that the engine provides; all others are a virtual user's. */
export const BUILT_IN_VARIABLES = ['seq', 'random', 'seed', 'origin'] as const;

/** Names in `operation` that a virtual user must have got from an earlier response. */
export function neededVariables(operation: Operation): string[] {
  const own = new Set([...BUILT_IN_VARIABLES, ...Object.keys(operation.set ?? {})]);
  const texts = [
    operation.path,
    ...Object.values(operation.headers ?? {}),
    operation.body ?? '',
    operation.expect?.bodyIncludes ?? '',
    ...Object.values(operation.set ?? {}),
  ];
  return [...new Set(texts.flatMap((text) => parseTemplate(text).names))].filter(
    (name) => !own.has(name),
  );
}

/** What success does to the item, where the scenario does not say. */
export function effectOf(operation: Operation): Effect {
  if (operation.effect) return operation.effect;
  const needsItem = neededVariables(operation).length > 0;
  if (!needsItem) return operation.capture ? 'create' : 'none';
  const method = operation.method.toUpperCase();
  if (method === 'DELETE') return 'delete';
  return method === 'GET' || method === 'HEAD' ? 'none' : 'update';
}

export function itemUseOf(operation: Operation): ItemUse {
  const { capture: captured = {}, set = {} } = operation;
  return {
    effect: effectOf(operation),
    needs: neededVariables(operation),
    provides: [...Object.keys(captured), ...Object.keys(set)],
  };
}

export function compileOperation(
  operation: Operation,
  endpoint: Endpoint,
  basePath: string,
  headers: Record<string, string>,
): CompiledOperation {
  const method = operation.method.toUpperCase();
  const merged = new Map<string, [string, string]>();
  const put = (name: string, value: string) => merged.set(name.toLowerCase(), [name, value]);
  put('Host', endpoint.authority);
  put('User-Agent', 'scratchpad-load');
  put('Accept', '*/*');
  for (const source of [headers, operation.headers ?? {}]) {
    for (const [name, value] of Object.entries(source)) put(name, value);
  }
  const head = parseTemplate(
    `${method} ${basePath}${operation.path} HTTP/1.1\r\n${[...merged.values()]
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}`,
  );
  const body = operation.body === undefined ? null : parseTemplate(operation.body);
  const sendsLength = body !== null || ['POST', 'PUT', 'PATCH'].includes(method);
  const render = (lookup: (name: string) => string): Buffer => {
    // a captured value must not be able to end a header line
    const renderedHead = head.render((name) => lookup(name).replace(/[\r\n]/g, ''));
    const renderedBody = body === null ? '' : body.render(lookup);
    const length = sendsLength ? `Content-Length: ${Buffer.byteLength(renderedBody)}\r\n` : '';
    return Buffer.from(`${renderedHead}${length}\r\n${renderedBody}`);
  };
  const use = itemUseOf(operation);
  const isPlain =
    use.effect === 'none' &&
    !operation.set &&
    !operation.capture &&
    !operation.expect?.bodyIncludes;
  const isFixed = isPlain && head.names.length === 0 && (body?.names.length ?? 0) === 0;
  const captures = Object.entries(operation.capture ?? {}).map(
    ([name, { from, pattern }]): Capture => ({ name, from, pattern: pattern ?? null }),
  );
  const includes = operation.expect?.bodyIncludes;
  return {
    name: operation.name,
    isHead: method === 'HEAD',
    ...use,
    closes: /(?:^|,)\s*close\s*(?:,|$)/i.test(merged.get('connection')?.[1] ?? ''),
    fixed: isFixed ? render(() => '') : null,
    render,
    set: Object.entries(operation.set ?? {}).map(([name, text]) => ({
      name,
      template: parseTemplate(text),
    })),
    captures,
    expectStatus: operation.expect?.status ? new Set(operation.expect.status) : null,
    expectBody: includes === undefined ? null : parseTemplate(includes),
    wantsBody:
      includes !== undefined || captures.some(({ from }) => from === 'json' || from === 'body'),
    wantsHeaders: captures.some(({ from }) => from === 'location' || from === 'header'),
  };
}

/** The error that a status is for this operation; null: it passes. */
export function statusError({ expectStatus }: CompiledOperation, status: number): string | null {
  const passes = expectStatus === null ? status < 400 : expectStatus.has(status);
  if (passes) return null;
  return status >= 400 ? `HTTP_${status}` : 'CHECK_FAILED';
}

/** A header's name, then optionally a regular expression for its value. */
export const HEADER_PATTERN = /^\s*(\S+)(?:\s+(.+))?$/s;

/** The captured value, or null where the response does not hold it. */
export function capture(
  wanted: Capture,
  headers: ReadonlyMap<string, string>,
  body: () => string,
): string | null {
  const { from, pattern } = wanted;
  if (from === 'json') return jsonValue(body(), pattern ?? wanted.name);
  if (from === 'header') {
    // the rest is the expression as it stands, its spaces included
    const [, name = '', expression] = HEADER_PATTERN.exec(pattern ?? wanted.name) ?? [];
    return matched(headers.get(name.toLowerCase()), expression ?? null);
  }
  return matched(from === 'location' ? headers.get('location') : body(), pattern);
}

/** First group of the pattern, or all of the match, or all of the text without a pattern. */
function matched(text: string | undefined, pattern: string | null): string | null {
  if (text === undefined) return null;
  if (pattern === null) return text;
  const match = new RegExp(pattern).exec(text);
  return match ? (match[1] ?? match[0]) : null;
}

/** A scalar in a JSON text by dotted path: `post.id`, `items.0.id`. */
function jsonValue(text: string, path: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return null;
    value = (value as Record<string, unknown>)[key];
  }
  const isScalar = ['string', 'number', 'boolean'].includes(typeof value);
  return isScalar ? String(value) : null;
}
