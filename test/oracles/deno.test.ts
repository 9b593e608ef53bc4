/** The same engine on Deno: counts are exact there too. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { packageRoot } from '../../cli/host/paths.ts';
import type { LoadMeasurement, LoadOptions } from '../../cli/load/types.ts';
import { runtimeBinary } from '../contract/server.ts';
import { assertConsistent, DEFAULTS, startOracle, unusedPort } from './harness.ts';

const deno = runtimeBinary('deno');
const GENERATOR = fileURLToPath(new URL('./generator-main.ts', import.meta.url));

async function loadOnDeno(
  t: TestContext,
  options: Partial<LoadOptions> & { url: string },
): Promise<LoadMeasurement | null> {
  if (deno.skip) {
    t.skip(deno.skip);
    return null;
  }
  const { stdout } = await promisify(execFile)(
    deno.path,
    ['run', '-A', '--no-lock', '--node-modules-dir=manual', GENERATOR].concat(
      JSON.stringify({ ...DEFAULTS, ...options }),
    ),
    { cwd: packageRoot, env: { ...process.env, DENO_NO_UPDATE_CHECK: '1' }, maxBuffer: 1 << 26 },
  );
  const measurement = JSON.parse(stdout) as LoadMeasurement;
  assertConsistent(measurement);
  return measurement;
}

test('Deno: exactly R·T requests with the delay that the server has, from two workers', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 20 });
  const measurement = await loadOnDeno(t, { url: server.url, workers: 2 });
  if (measurement === null) return;
  assert.equal(measurement.counts.answered, 200);
  assert.equal((await server.stats()).requests, 200);
  assert.ok(measurement.latencyUs.response.min >= 20_000);
});

test('Deno: a closed loop on keep-alive connections', async (t) => {
  const server = await startOracle(t, { kind: 'delay', ms: 1 });
  const measurement = await loadOnDeno(t, {
    url: server.url,
    loop: 'closed',
    ratePerSecond: null,
    connections: 4,
    durationMs: 1000,
  });
  if (measurement === null) return;
  assert.equal(measurement.counts.failed, 0);
  assert.equal((await server.stats()).requests, measurement.counts.sentOnWire);
  assert.equal(measurement.connectionsUs.fresh.count, 4);
});

test('Deno: failures have the same names', async (t) => {
  const port = await unusedPort();
  const short = { ratePerSecond: 50, durationMs: 1000, timeoutMs: 500 };
  const refused = await loadOnDeno(t, { ...short, url: `http://127.0.0.1:${port}/` });
  if (refused === null) return;
  assert.deepEqual(refused.errors, { ECONNREFUSED: 50 });
  const hang = await startOracle(t, { kind: 'hang', every: 5 });
  const hung = await loadOnDeno(t, { ...short, url: hang.url });
  assert.deepEqual(hung!.errors, { REQUEST_TIMEOUT: 10 });
  const cut = await startOracle(t, {
    kind: 'raw',
    pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'],
    after: 'end',
  });
  assert.deepEqual((await loadOnDeno(t, { ...short, url: cut.url }))!.errors, { EOF_MID_BODY: 50 });
});
