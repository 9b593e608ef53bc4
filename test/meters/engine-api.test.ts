import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isScratchpadError } from '../../cli/errors.ts';
import { dockerStatsParts } from '../../cli/meters/docker-stats.ts';
import { openEngineApi } from '../../cli/meters/engine-api.ts';
import { recorded } from './fixtures.ts';

/** An engine behind a `docker` whose `system dial-stdio` relays to it; counts the relays. */
async function engine(t: TestContext, status: number, body: string) {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-engine-'));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    response.statusCode = status;
    response.end(body);
  });
  const socket = join(folder, 'engine.sock');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const command = join(folder, 'docker');
  const log = join(folder, 'calls');
  writeFileSync(log, '');
  writeFileSync(
    command,
    `#!${process.execPath}
require('node:fs').appendFileSync(${JSON.stringify(log)}, process.argv.slice(2).join(' ') + '\\n');
const socket = require('node:net').connect(${JSON.stringify(socket)});
process.stdin.pipe(socket).pipe(process.stdout);
`,
  );
  chmodSync(command, 0o755);
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { command, asked, calls: () => readFileSync(log, 'utf8').trim().split('\n') };
}

test('requests go through the client’s relay with its own arguments, all through one', async (t) => {
  const { command, asked, calls } = await engine(t, 200, '{"a": 1}');
  const api = openEngineApi({ command, args: ['--context', 'remote'] });
  t.after(() => api.close());
  assert.deepEqual(await api.get('/one'), { a: 1 });
  assert.deepEqual(await api.get('/two'), { a: 1 });
  assert.deepEqual(asked, ['/one', '/two']);
  assert.deepEqual(calls(), ['--context remote system dial-stdio']);
});

test('another status than 200 is an error with what the engine said', async (t) => {
  const { command } = await engine(t, 404, '{"message":"No such container: x"}');
  const api = openEngineApi({ command });
  t.after(() => api.close());
  await assert.rejects(api.get('/containers/x/stats'), (error) => {
    assert.ok(isScratchpadError(error));
    assert.equal(error.code, 'ENGINE_FAILED');
    assert.match(error.message, /404: .*No such container: x/);
    return true;
  });
});

test('no docker command is an error, and no crash', async (t) => {
  const api = openEngineApi({ command: '/nonexistent/docker' });
  t.after(() => api.close());
  await assert.rejects(api.get('/info'), /can't be asked for \/info/);
});

test('a client that can’t reach its engine is quoted', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-engine-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const command = join(folder, 'docker');
  writeFileSync(command, '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n');
  chmodSync(command, 0o755);
  const api = openEngineApi({ command });
  t.after(() => api.close());
  await assert.rejects(api.get('/info'), /Cannot connect to the Docker daemon/);
});

test('the four parts of a meter share one request per reading', async (t) => {
  const { command, asked } = await engine(t, 200, recorded('engine-api/stats-v1.json'));
  const api = openEngineApi({ command });
  t.after(() => api.close());
  const parts = dockerStatsParts(api, 'abc');
  const options = { expensive: false };
  const [cpu, memory] = await Promise.all([
    parts.cpu.read(options),
    parts.memory.read(options),
    parts.disk.read(options),
    parts.network.read(options),
  ]);
  assert.equal(cpu.totalMs, 7102.7624);
  assert.equal(memory.workingSetBytes, 42_520_576);
  assert.deepEqual(asked, ['/containers/abc/stats?stream=false&one-shot=true']);
});

test('an engine that stops in mid-run makes every figure unavailable with its words', async (t) => {
  const { command } = await engine(t, 500, 'shutting down');
  const api = openEngineApi({ command });
  t.after(() => api.close());
  const cpu = await dockerStatsParts(api, 'abc').cpu.read({ expensive: false });
  for (const figure of Object.values(cpu))
    assert.match((figure as { unavailable: string }).unavailable, /500: shutting down/);
});
