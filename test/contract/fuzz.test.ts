/** Hostile requests against the bundle on Node; SCRATCHPAD_FUZZ and SCRATCHPAD_FUZZ_SEED change them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fuzz } from './fuzz.ts';
import { type RunningServer, startServer } from './server.ts';

let server: RunningServer;
before(async () => {
  server = await startServer({ env: { SCRATCHPAD_REQUEST_TIMEOUT_MS: '2000' } });
});
after(async () => {
  await server.stop();
});

const seed = process.env['SCRATCHPAD_FUZZ_SEED'];
fuzz('the bundle on Node', () => server.url, {
  requests: Number(process.env['SCRATCHPAD_FUZZ'] ?? 10_000),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
});

test('the server has logged no error meanwhile', () => {
  assert.deepEqual(
    server.lines.filter(({ event }) => event === 'error'),
    [],
  );
  assert.equal(server.stderr(), '');
});
