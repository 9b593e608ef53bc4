import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { ScratchpadError } from '../../cli/errors.ts';
import { fixturesFolder } from '../../cli/host/paths.ts';
import {
  capture,
  compileOperation,
  type Endpoint,
  effectOf,
  neededVariables,
} from '../../cli/load/request.ts';
import { loadScenario, parseScenario, scenarioSchema } from '../../cli/load/scenario.ts';
import type { Operation } from '../../cli/load/types.ts';

const endpoint: Endpoint = {
  host: '127.0.0.1',
  port: 5001,
  socketPath: null,
  tls: false,
  insecure: false,
  serverName: null,
  authority: '127.0.0.1:5001',
  origin: 'http://127.0.0.1:5001',
};

const operation = (fields: Partial<Operation>): Operation => ({
  name: 'op',
  weight: 1,
  method: 'GET',
  path: '/',
  ...fields,
});

const compile = (fields: Partial<Operation>, headers = {}) =>
  compileOperation(operation(fields), endpoint, '', headers);

const scenarioOf = (...operations: Array<Partial<Operation>>) => ({
  schemaVersion: 1,
  name: 'test',
  operations: operations.map((fields, i) => ({ name: `op${i}`, path: '/', ...fields })),
});

function rejects(value: unknown, message: RegExp): void {
  assert.throws(
    () => parseScenario(value),
    (error) => {
      assert.ok(error instanceof ScratchpadError);
      assert.equal(error.code, 'BAD_SCENARIO');
      assert.match(error.message, message);
      return true;
    },
  );
}

test('the documented schema is the one that is checked', () => {
  const file = join(fixturesFolder, 'scenarios', 'scenario.schema.json');
  const made = `${JSON.stringify(z.toJSONSchema(scenarioSchema, { io: 'input' }), null, 2)}\n`;
  if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(file, made);
  assert.deepEqual(
    JSON.parse(readFileSync(file, 'utf8')),
    JSON.parse(made),
    'run this test with UPDATE_GOLDENS=1',
  );
});

test('the built-in scenarios are valid, and an unknown name says which there are', async () => {
  assert.equal((await loadScenario('index')).operations.length, 1);
  const mixed = await loadScenario('mixed');
  const effects = new Set(mixed.operations.map(effectOf));
  assert.deepEqual(effects, new Set(['none', 'create', 'update', 'delete', 'gone']));
  await assert.rejects(
    loadScenario('nonesuch'),
    (error) =>
      error instanceof ScratchpadError &&
      error.code === 'BAD_SCENARIO' &&
      /index, mixed/.test(error.hint ?? ''),
  );
});

test('a scenario fills in method and weight', () => {
  const { operations } = parseScenario(scenarioOf({}));
  assert.deepEqual(operations, [{ name: 'op0', weight: 1, method: 'GET', path: '/' }]);
});

test('what is wrong with a scenario is said with its place', () => {
  rejects({}, /schemaVersion/);
  rejects({ ...scenarioOf({}), schemaVersion: 2 }, /schemaVersion/);
  rejects({ ...scenarioOf({}), surprise: 1 }, /surprise/);
  rejects(scenarioOf({ path: 'no-slash' }), /operations\.0\.path: must begin with "\/"/);
  rejects(scenarioOf({ path: '/a b' }), /operations\.0\.path/);
  rejects(scenarioOf({ weight: 0 }), /operations\.0\.weight/);
  rejects(scenarioOf({ headers: { X: 'a\r\nY: b' } }), /must be one line/);
  rejects(scenarioOf({ name: 'same' }, { name: 'same' }), /two operations are named "same"/);
  rejects({ ...scenarioOf({}), verify: { live: 'nope' } }, /verify names "nope"/);
  rejects(scenarioOf({ path: '/{{id}}' }), /\{\{id\}\}, which no creating operation/);
  rejects(scenarioOf({ capture: { id: { from: 'body', pattern: '(' } } }), /bad pattern/);
});

test('a request is the bytes that its operation says, with a length where there is a body', () => {
  assert.equal(
    compile({ path: '/a?b=c' }, { 'X-Run': '1' }).fixed?.toString(),
    'GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:5001\r\nUser-Agent: scratchpad-load\r\nAccept: */*\r\nX-Run: 1\r\n\r\n',
  );
  assert.match(
    compile({ method: 'post', body: 'é' }).fixed!.toString(),
    /^POST \/ HTTP\/1\.1\r\n.*\r\nContent-Length: 2\r\n\r\né$/s,
  );
  assert.match(compile({ method: 'PUT' }).fixed!.toString(), /Content-Length: 0\r\n\r\n$/);
  assert.doesNotMatch(compile({ method: 'DELETE' }).fixed!.toString(), /Content-Length/);
});

test('a header of the operation replaces the default of any case', () => {
  const text = compile({ headers: { host: 'other', accept: 'text/html' } }).fixed!.toString();
  assert.match(text, /\r\nhost: other\r\n/);
  assert.equal(text.match(/host:/gi)?.length, 1);
  assert.equal(text.match(/accept:/gi)?.length, 1);
});

test('templates are escaped as they ask, and cannot break out of a header', () => {
  const compiled = compile({
    method: 'POST',
    path: '/{{form:v}}',
    headers: { 'X-V': '{{v}}' },
    body: '{"v":"{{json:v}}"}',
  });
  assert.equal(compiled.fixed, null);
  const text = compiled.render(() => 'a"b\r\nInjected: yes').toString();
  assert.match(text, /^POST \/a%22bInjected%3A%20yes HTTP/);
  assert.match(text, /\r\nX-V: a"bInjected: yes\r\n/);
  assert.ok(text.endsWith('{"v":"a\\"b\\r\\nInjected: yes"}'));
});

test('values are captured from location, header, JSON and body, or are missing', () => {
  const headers = new Map([
    ['location', '/posts/17'],
    ['etag', 'W/"abc"'],
  ]);
  const get = (from: 'location' | 'json' | 'header' | 'body', pattern: string | null, body = '') =>
    capture({ name: 'id', from, pattern }, headers, () => body);
  assert.equal(get('location', null), '/posts/17');
  assert.equal(get('location', '(\\d+)$'), '17');
  assert.equal(get('location', 'x(\\d+)$'), null);
  assert.equal(get('header', 'ETag "(\\w+)"'), 'abc');
  assert.equal(get('header', 'missing'), null);
  assert.equal(get('json', null, '{"id":5}'), '5');
  assert.equal(get('json', 'a.0.b', '{"a":[{"b":"x"}]}'), 'x');
  assert.equal(get('json', 'a', '{"a":{}}'), null);
  assert.equal(get('json', 'a', 'not json'), null);
  assert.equal(get('body', 'v=(\\w+)', 'k v=12'), '12');
});

test('without being told, the effect follows from captures and method', () => {
  assert.equal(effectOf(operation({})), 'none');
  assert.equal(effectOf(operation({ method: 'POST' })), 'none');
  assert.equal(effectOf(operation({ capture: { id: { from: 'json' } } })), 'create');
  assert.equal(effectOf(operation({ path: '/{{id}}' })), 'none');
  assert.equal(effectOf(operation({ path: '/{{id}}', method: 'PUT' })), 'update');
  assert.equal(effectOf(operation({ path: '/{{id}}', method: 'DELETE' })), 'delete');
});

test('variables of the engine and of the operation itself need no item', () => {
  const fields = { path: '/{{seq}}/{{own}}/{{id}}', set: { own: '{{random}}' } };
  assert.deepEqual(neededVariables(operation(fields)), ['id']);
});
