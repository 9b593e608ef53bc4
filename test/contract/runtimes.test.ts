/** The same contract and the same security table on the other runtimes, from the same artifact. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { contract } from './contract.ts';
import { security } from './security.ts';
import { type RunningServer, root, runtimeBinary, startServer } from './server.ts';

const artifact = join(root, 'dist', 'workload');
const nonce = 'runtime-nonce';
const runtimes = [
  {
    name: 'Deno',
    program: 'deno',
    args: ['run', '--quiet', '--no-prompt', '--allow-all', join(artifact, 'deno.mjs')],
  },
  { name: 'Bun', program: 'bun', args: [join(artifact, 'bun.mjs')] },
];

for (const { name, program, args } of runtimes) {
  const { path: command, skip } = runtimeBinary(program);
  describe(name, { skip }, () => {
    let server: RunningServer;
    before(async () => {
      if (!existsSync(join(artifact, 'artifact.json'))) await buildWorkload();
      server = await startServer({ command, args, env: { SCRATCHPAD_NONCE: nonce } });
    });
    after(async () => {
      assert.equal(await server.stop(), 0);
    });
    contract(`the bundle on ${name}`, () => server.url, { nonce });
    security(`the bundle on ${name}`, () => server.url, {
      requestTimeoutMs: null,
      parserHeaders: false,
    });
  });
}
