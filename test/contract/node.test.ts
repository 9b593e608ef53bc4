/** The contract against the built bundle on Node: the artifact that every target runs. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { contract } from './contract.ts';
import { security } from './security.ts';
import { type RunningServer, root, startServer } from './server.ts';

const nonce = 'contract-nonce';
let server: RunningServer;
let copy: string;

before(async () => {
  if (!existsSync(join(root, 'dist', 'workload', 'artifact.json'))) await buildWorkload();
  // A copy somewhere else: nothing outside the artifact's folder may be needed.
  copy = mkdtempSync(join(tmpdir(), 'scratchpad-artifact-'));
  cpSync(join(root, 'dist', 'workload'), copy, { recursive: true });
  server = await startServer({
    args: [join(copy, 'server.mjs')],
    env: { SCRATCHPAD_NONCE: nonce, SCRATCHPAD_REQUEST_TIMEOUT_MS: '2000' },
  });
});

after(async () => {
  assert.equal(await server.stop(), 0);
  rmSync(copy, { recursive: true, force: true });
});

contract('the bundle on Node', () => server.url, { nonce });
security('the bundle on Node', () => server.url, {
  requestTimeoutMs: 2000,
  slowHeads: 'cut off',
  slowBodies: 'cut off',
  earlyAnswers: 'arrive',
  stalledReaders: 'cut off',
  parserHeaders: true,
});

test('the running server proves which artifact and which Node it is', async () => {
  const body = await (await fetch(new URL('/readyz?verify=1', server.url))).json();
  const manifest = JSON.parse(readFileSync(join(copy, 'artifact.json'), 'utf8'));
  assert.equal((body as { artifactSha256: string }).artifactSha256, manifest.sha256);
  assert.match((body as { runtimeSha256: string }).runtimeSha256, /^[0-9a-f]{64}$/);
});
