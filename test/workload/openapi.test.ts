/** The description and the API are one: same routes, same answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
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

test('each answer has a status, a type and a body that the description has', async () => {
  const { app, db } = await makeApp();
  const post = await db.create({ title: 'One', content: 'x', created: '2026-01-02 12:00:00' });
  const requests: Array<[path: string, address: string, init: RequestInit]> = [
    ['/api/posts', '/api/posts', { method: 'GET' }],
    ['/api/posts', '/api/posts?limit=0', { method: 'GET' }],
    ['/api/posts', '/api/posts', json('POST', { title: 'Two' })],
    ['/api/posts', '/api/posts', json('POST', { title: '' })],
    ['/api/posts', '/api/posts', { ...json('POST', 0), body: '{' }],
    ['/api/posts', '/api/posts', { method: 'POST', body: 'title=x' }],
    ['/api/posts', '/api/posts', json('POST', { title: 'x', content: 'x'.repeat(1_100_000) })],
    [
      '/api/posts',
      '/api/posts',
      { ...json('POST', { title: 'x' }), headers: { origin: 'https://evil.example' } },
    ],
    ['/api/posts/{id}', `/api/posts/${post.id}`, { method: 'GET' }],
    ['/api/posts/{id}', '/api/posts/999', { method: 'GET' }],
    ['/api/posts/{id}', `/api/posts/${post.id}`, json('PUT', { title: 'A', content: 'b' })],
    ['/api/posts/{id}', `/api/posts/${post.id}`, json('PUT', { title: 'A' })],
    ['/api/posts/{id}', `/api/posts/${post.id}`, json('PATCH', { content: 'c' })],
    ['/api/posts/{id}', '/api/posts/999', json('PATCH', { content: 'c' })],
    ['/api/posts/{id}', `/api/posts/${post.id}`, { method: 'DELETE' }],
    ['/api/posts/{id}', `/api/posts/${post.id}`, { method: 'DELETE' }],
    ['/api/openapi.json', '/api/openapi.json', { method: 'GET' }],
  ];
  const seen = new Set<string>();
  for (const [path, address, init] of requests) {
    const reply = await app.request(address, init);
    const name = `${init.method} ${address} → ${reply.status}`;
    const operation = operations.find(
      (one) => one.path === path && one.method === init.method!.toLowerCase(),
    )!.operation;
    const described = operation.responses[reply.status];
    assert.ok(described, `${name} is not described`);
    seen.add(`${init.method} ${path} ${reply.status}`);
    if (described.content === undefined) {
      assert.equal(await reply.text(), '', name);
      continue;
    }
    const type = reply.headers.get('content-type')!.split(';')[0]!;
    assert.ok(described.content[type], `${name} has type ${type}`);
    assert.deepEqual(faults(described.content[type].schema, await reply.json()), [], name);
  }
  // Every success is exercised; of the faults, those that a client can bring about.
  for (const { method, path, operation } of operations) {
    for (const status of Object.keys(operation.responses).filter((s) => s.startsWith('2'))) {
      assert.ok(
        seen.has(`${method.toUpperCase()} ${path} ${status}`),
        `${method} ${path} ${status}`,
      );
    }
  }
});

test('the description is what the app serves', async () => {
  const { app } = await makeApp();
  const served = await (await app.request('/api/openapi.json')).json();
  assert.deepEqual(served, JSON.parse(JSON.stringify(OPENAPI)));
});
