/** Which handler an address finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressRouter } from '../../workload/http/router.ts';

const router = new AddressRouter<string>();
for (const [method, path] of [
  ['GET', '/'],
  ['GET', '/create'],
  ['POST', '/create'],
  ['GET', '/:id{[0-9]+}'],
  ['GET', '/:id{[0-9]+}/edit'],
] as const) {
  router.add(method, path, `${method} ${path}`);
}
const found = (method: string, path: string) => router.match(method, path)[0];

test('addresses without and with a parameter, with a slash at the end or not', () => {
  for (const [path, handler] of [
    ['/', 'GET /'],
    ['/create', 'GET /create'],
    ['/create/', 'GET /create'],
    ['/7', 'GET /:id{[0-9]+}'],
    ['/7/', 'GET /:id{[0-9]+}'],
    ['/7/edit', 'GET /:id{[0-9]+}/edit'],
  ] as const) {
    assert.deepEqual(
      found('GET', path).map(([name]) => name),
      [handler],
      path,
    );
  }
  assert.equal((found('GET', '/7')[0]![1] as { id: string }).id, '7');
  assert.deepEqual(
    found('POST', '/create').map(([name]) => name),
    ['POST /create'],
  );
});

test('what no route takes finds nothing', () => {
  for (const [method, path] of [
    ['GET', '/created'],
    ['GET', '/create//'],
    ['GET', '//'],
    ['GET', '/x'],
    ['GET', '/7/edit/more'],
    ['POST', '/'],
    ['DELETE', '/7'],
    ['PATCH', '/create'],
    ['GET', ''],
  ] as const) {
    assert.deepEqual(found(method, path), [], `${method} ${path}`);
  }
});
