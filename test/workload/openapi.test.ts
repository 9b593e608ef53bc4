/** The description and the API are one: same routes, same answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LibsqlError } from '@libsql/core/api';
import { OPENAPI } from '../../workload/routes/openapi.ts';
import { json, makeApp } from './make-app.ts';

type Schema = {
  $ref?: string;
  type?: string | readonly string[];
  required?: readonly string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  maxLength?: number;
  minLength?: number;
};
const schemas = OPENAPI.components.schemas as unknown as Record<string, Schema>;

/** What of JSON Schema the document uses; unknown properties are faults here. */
function faults(schema: Schema, value: unknown, at = '$'): string[] {
  if (schema.$ref !== undefined) return faults(schemas[schema.$ref.split('/').at(-1)!]!, value, at);
  if (schema.type === undefined) return [];
  const actual =
    value === null
      ? 'null'
      : Array.isArray(value)
        ? 'array'
        : Number.isInteger(value)
          ? 'integer'
          : typeof value;
  if (![schema.type].flat().includes(actual)) return [`${at} is ${actual}, not ${schema.type}`];
  if (typeof value === 'string' && value.length > (schema.maxLength ?? Number.POSITIVE_INFINITY)) {
    return [`${at} is too long`];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, i) => faults(schema.items ?? {}, item, `${at}[${i}]`));
  }
  if (actual !== 'object') return [];
  const object = value as Record<string, unknown>;
  return [
    ...(schema.required ?? [])
      .filter((key) => !(key in object))
      .map((key) => `${at}.${key} is missing`),
    ...Object.entries(object).flatMap(([key, item]) => {
      const property = schema.properties?.[key];
      return property === undefined
        ? [`${at}.${key} is not described`]
        : faults(property, item, `${at}.${key}`);
    }),
  ];
}

type Operation = {
  responses: Record<
    string,
    { headers?: Record<string, unknown>; content?: Record<string, { schema: Schema }> }
  >;
};
const operations = Object.entries(OPENAPI.paths).flatMap(([path, item]) =>
  Object.entries(item as Record<string, unknown>)
    .filter(([method]) => method !== 'parameters')
    .map(([method, operation]) => ({ path, method, operation: operation as Operation })),
);

test('every route of the API is described, and nothing else is', async () => {
  const { app } = await makeApp();
  const routes = app.routes
    .filter(({ path }) => path.startsWith('/api/'))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)\{[^}]*\}/, '{$1}')}`);
  const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assert.deepEqual([...new Set(routes)].sort(), described.sort());
});

/** A request that succeeds, for each operation. */
const SOUND: Record<string, [address: string, init: RequestInit]> = {
  'get /api/posts': ['/api/posts', { method: 'GET' }],
  'post /api/posts': ['/api/posts', json('POST', { title: 'Two' })],
  'get /api/posts/{id}': ['/api/posts/1', { method: 'GET' }],
  'put /api/posts/{id}': ['/api/posts/1', json('PUT', { title: 'A', content: 'b' })],
  'patch /api/posts/{id}': ['/api/posts/1', json('PATCH', { content: 'c' })],
  'delete /api/posts/{id}': ['/api/posts/1', { method: 'DELETE' }],
  'get /api/openapi.json': ['/api/openapi.json', { method: 'GET' }],
};

/** How each status is brought about; only 2xx and what a client can do wrong needs no broken store. */
const CAUSES: Record<number, (address: string, init: RequestInit) => [string, RequestInit]> = {
  200: (address, init) => [address, init],
  201: (address, init) => [address, init],
  204: (address, init) => [address, init],
  400: (address, init) =>
    init.body === undefined ? [`${address}?limit=0`, init] : [address, { ...init, body: '{' }],
  403: (address, init) => [
    address,
    { ...init, headers: { ...(init.headers as object), origin: 'https://evil.example' } },
  ],
  404: (_, init) => ['/api/posts/999', init],
  // A body that never ends.
  408: (address, init) => [
    address,
    { ...init, body: new ReadableStream(), duplex: 'half' } as RequestInit,
  ],
  413: (address, init) => [
    address,
    { ...init, body: JSON.stringify({ title: 'x', content: 'x'.repeat(1_100_000) }) },
  ],
  415: (address, init) => [address, { ...init, headers: { 'content-type': 'text/plain' } }],
  422: (address, init) => [address, { ...init, body: '{"title":""}' }],
  500: (address, init) => [address, init],
  503: (address, init) => [address, init],
  507: (address, init) => [address, init],
};
const BROKEN: Record<number, string> = {
  500: 'SQLITE_ERROR',
  503: 'SQLITE_IOERR',
  507: 'SQLITE_FULL',
};

for (const { path, method, operation } of operations) {
  test(`${method} ${path} gives each answer that is described, as it is described`, async () => {
    const [address, init] = SOUND[`${method} ${path}`]!;
    for (const [text, described] of Object.entries(operation.responses)) {
      const status = Number(text);
      const code = BROKEN[status];
      const fail = () => Promise.reject(new LibsqlError('broken', code ?? ''));
      const { app, db } = await makeApp({
        bodyTimeoutMs: 50,
        ...(code === undefined
          ? {}
          : {
              store: (real) => ({
                ...real,
                list: fail,
                byId: fail,
                create: fail,
                update: fail,
                remove: fail,
              }),
            }),
      });
      if (code === undefined) {
        await db.create({ title: 'One', content: 'x', created: '2026-01-02 12:00:00' });
      }
      const reply = await app.request(...CAUSES[status]!(address, init));
      const name = `${method} ${path} → ${status}`;
      assert.equal(reply.status, status, name);
      for (const header of Object.keys(described.headers ?? {})) {
        assert.ok(reply.headers.has(header), `${name} has no ${header}`);
      }
      if (described.content === undefined) {
        assert.equal(await reply.text(), '', name);
        continue;
      }
      const type = reply.headers.get('content-type')!.split(';')[0]!;
      assert.ok(described.content[type], `${name} has type ${type}`);
      assert.deepEqual(faults(described.content[type].schema, await reply.json()), [], name);
    }
  });
}

test('no operation has an answer that its description lacks', async () => {
  for (const { path, method, operation } of operations) {
    const [address, init] = SOUND[`${method} ${path}`]!;
    for (const status of [400, 403, 404, 408, 413, 415, 422]) {
      // What a body causes is nothing to a request without one.
      if (init.body === undefined && [408, 413, 415, 422].includes(status)) continue;
      const { app } = await makeApp({ bodyTimeoutMs: 50 });
      const reply = await app.request(...CAUSES[status]!(address, init));
      const name = `${method} ${path} tried for ${status} gave ${reply.status}`;
      const isElsewhere = status === 404 && !path.includes('{id}');
      assert.ok(isElsewhere || operation.responses[reply.status] !== undefined, name);
    }
  }
});

test('the description is what the app serves', async () => {
  const { app } = await makeApp();
  const served = await (await app.request('/api/openapi.json')).json();
  assert.deepEqual(served, JSON.parse(JSON.stringify(OPENAPI)));
});
