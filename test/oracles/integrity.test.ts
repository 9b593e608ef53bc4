/** Stateful checks under load: they find nothing where nothing is wrong, and every planted fault. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../cli/host/paths.ts';
import { loadScenario, parseScenario } from '../../cli/load/scenario.ts';
import { nodeBinary, readArtifact } from '../../cli/targets/artifact.ts';
import { load, startOracle } from './harness.ts';
import type { Fault } from './posts-server.ts';

async function postsServer(
  t: TestContext,
  fault: Fault,
): Promise<{ url: string; handled(): Promise<number> }> {
  const worker = new Worker(new URL('./posts-server.ts', import.meta.url), {
    workerData: { fault },
    execArgv: ['--import', 'tsx'],
  });
  t.after(() => worker.terminate());
  const [port] = (await once(worker, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${port}/`,
    async handled() {
      worker.postMessage('handled');
      return (await once(worker, 'message'))[0] as number;
    },
  };
}

const MIXED = { scenario: await loadScenario('mixed'), ratePerSecond: 200, durationMs: 2000 };

test('mixed on a server that keeps its word: all verified, none lost, counts agree', async (t) => {
  const { url, handled } = await postsServer(t, 'none');
  const { counts, integrity, errors, operations } = await load({ url, ...MIXED });
  assert.deepEqual(errors, {});
  assert.equal(counts.answered, 400);
  assert.ok(integrity !== null && integrity.acknowledged > 50);
  assert.equal(integrity.lost, 0);
  assert.deepEqual(integrity.details, []);
  assert.ok(integrity.verified >= (counts.verifySent ?? 0) && integrity.verified > 50);
  assert.equal(await handled(), counts.sentOnWire);
  assert.equal(counts.sentOnWire, 400 + counts.verifySent!);
  for (const name of ['create', 'read', 'page', 'edit-form', 'put', 'delete', 'gone']) {
    assert.ok(operations[name]!.answered > 0, `${name} ran`);
  }
});

for (const fault of ['loses-creates', 'loses-updates', 'keeps-deleted'] as const) {
  test(`a server that ${fault.replace('-', ' ')} is found out`, async (t) => {
    const { url } = await postsServer(t, fault);
    const { integrity } = await load({ url, ...MIXED, workers: 2 });
    assert.ok(integrity!.lost > 0, JSON.stringify(integrity));
    assert.match(integrity!.details[0]!, /: (HTTP_404|BODY_MISMATCH|CHECK_FAILED) \(.*id=\d+/);
  });
}

test('the same seed sends the same mix, whoever answers', async (t) => {
  const mixes: Array<Record<string, number>> = [];
  for (let run = 0; run < 2; run++) {
    const { url } = await postsServer(t, 'none');
    const { operations } = await load({ url, ...MIXED, durationMs: 500, seed: 3 });
    // operations that need an item may start as creates, until one is there: these never do
    const { index, list, form } = operations;
    mixes.push({ index: index!.answered, list: list!.answered, form: form!.answered });
  }
  assert.deepEqual(mixes[0], mixes[1]);
});

test('a response that is not as expected fails its request, by what is wrong with it', async (t) => {
  const { url } = await postsServer(t, 'none');
  const scenario = parseScenario({
    schemaVersion: 1,
    name: 'checks',
    operations: [
      { name: 'body', path: '/', expect: { bodyIncludes: 'nowhere' } },
      { name: 'status', path: '/', expect: { status: [204] } },
      { name: 'allowed', path: '/404', expect: { status: [404] } },
      { name: 'missing', path: '/404' },
      { name: 'capture', path: '/', capture: { id: { from: 'header', pattern: 'x-id' } } },
    ],
  });
  const { operations, errors, integrity } = await load({ url, scenario, ratePerSecond: 200 });
  const failed = (name: string) => operations[name]!.failed;
  assert.deepEqual(errors, {
    BODY_MISMATCH: failed('body'),
    CHECK_FAILED: failed('status') + failed('capture'),
    HTTP_404: failed('missing'),
  });
  assert.equal(failed('allowed'), 0);
  assert.equal(operations['body']!.answered, 0);
  assert.equal(integrity!.acknowledged, 0);
});

test('two kinds of items are not mixed up: each request gets an item with what it needs', async (t) => {
  const { url } = await postsServer(t, 'none');
  const create = (name: string, variable: string) => ({
    name: `create-${name}`,
    method: 'POST',
    path: '/api/posts',
    body: `{"title":"${name} {{seq}}","content":"x"}`,
    capture: { [variable]: { from: 'location', pattern: '/([0-9]+)$' } },
    expect: { status: [201] },
  });
  const read = (name: string, variable: string) => ({
    name: `read-${name}`,
    weight: 2,
    path: `/api/posts/{{${variable}}}`,
    expect: { status: [200], bodyIncludes: `"title":"${name} ` },
  });
  const scenario = parseScenario({
    schemaVersion: 1,
    // not to be taken for the built-in one: its paths are its own
    name: 'index',
    operations: [
      create('post', 'id'),
      create('note', 'note'),
      read('post', 'id'),
      read('note', 'note'),
      { name: 'delete-note', weight: 0.5, method: 'DELETE', path: '/api/posts/{{note}}' },
    ],
    verify: { live: 'read-post' },
  });
  const { counts, errors, operations, integrity } = await load({
    url: `${url}?elsewhere`,
    scenario,
    ratePerSecond: 200,
  });
  assert.deepEqual(errors, {});
  assert.equal(counts.answered, 400);
  for (const name of ['read-post', 'read-note', 'delete-note']) {
    assert.ok(operations[name]!.answered > 10, `${name} ran`);
  }
  const notes = operations['create-note']!.answered - operations['delete-note']!.answered;
  assert.equal(integrity!.lost, 0);
  assert.deepEqual(integrity!.details, [`${notes} items could not be verified`]);
  assert.equal(counts.verifySent, operations['create-post']!.answered);
});

test('a header is captured whole, wherever the network has split it', async (t) => {
  const { url } = await startOracle(t, {
    kind: 'halves',
    first: 'HTTP/1.1 201 Created\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: sid=ab',
    ms: 10,
    rest: 'cd; Path=/\r\nContent-Length: 0\r\n\r\n',
    after: 'keep',
  });
  const scenario = parseScenario({
    schemaVersion: 1,
    name: 'cookie',
    operations: [
      {
        name: 'login',
        method: 'POST',
        path: '/',
        capture: { sid: { from: 'header', pattern: 'Set-Cookie sid=(abcd); Path=' } },
      },
      { name: 'use', path: '/', headers: { Cookie: 'sid={{sid}}' } },
    ],
  });
  const { errors, integrity } = await load({ url, scenario, durationMs: 1000 });
  assert.deepEqual(errors, {});
  assert.ok(integrity!.acknowledged > 10 && integrity!.verified > 10, JSON.stringify(integrity));
});

for (const name of ['mixed', 'fixtures/scenarios/notes.json']) {
  test(`${name} on the scratch pad itself: nothing acknowledged is lost, its counter agrees`, async (t) => {
    const { folder, entry } = readArtifact();
    const data = mkdtempSync(join(tmpdir(), 'scenario-'));
    t.after(() => rmSync(data, { recursive: true }));
    const child = spawn((await nodeBinary()).path, [join(folder, entry)], {
      env: {
        ...process.env,
        SCRATCHPAD_PORT: '0',
        SCRATCHPAD_SEED: '1',
        SCRATCHPAD_DB_URL: `file:${join(data, 'posts.db')}`,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const file = name.endsWith('.json') ? join(packageRoot, name) : name;
    const { counts, integrity, errors } = await load({
      url,
      ...MIXED,
      scenario: await loadScenario(file),
    });
    assert.deepEqual(errors, {});
    assert.equal(counts.answered, 400);
    assert.equal(integrity!.lost, 0);
    assert.ok(integrity!.verified > 50);
    const { handled } = (await (await fetch(`${url}readyz`)).json()) as { handled: number };
    assert.equal(handled, counts.sentOnWire);
  });
}

test('bytes of posts: titles and texts of accepted writes, in UTF-8, warm-up excluded', async (t) => {
  const { url } = await postsServer(t, 'none');
  const create = {
    name: 'create',
    weight: 1,
    method: 'POST',
    path: '/api/posts',
    headers: { 'Content-Type': 'application/json' },
    set: { title: 'äb', content: '12345' },
    body: '{"title":"{{json:title}}","content":"{{json:content}}"}',
    expect: { status: [201] },
    capture: { id: { from: 'location' as const, pattern: '/([0-9]+)$' } },
  };
  const options = { url, ratePerSecond: 100, durationMs: 500, warmupMs: 200, workers: 2 };
  const scenarioOf = (operation: object) =>
    parseScenario({ schemaVersion: 1, name: 'posts', operations: [operation] }, 'test');
  const { counts, bytes } = await load({ ...options, scenario: scenarioOf(create) });
  assert.equal(counts.answered, 50);
  assert.equal(bytes.posts, 50 * (3 + 5));

  const refused = await load({
    ...options,
    scenario: scenarioOf({ ...create, expect: { status: [299] } }),
  });
  assert.equal(refused.counts.failed, 50);
  assert.equal(refused.bytes.posts, 0);

  const { set: _, ...unset } = { ...create, body: '{"title":"a","content":"b"}' };
  assert.equal((await load({ ...options, scenario: scenarioOf(unset) })).bytes.posts, null);
});
