/** The same contract and the same security table on the other runtimes, from the same artifact. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { runtimeCommand } from '../../cli/targets/runtime.ts';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { contract } from './contract.ts';
import { drains } from './drain.ts';
import { security } from './security.ts';
import { type RunningServer, root, runtimeBinary, startServer } from './server.ts';

const artifact = join(root, 'dist', 'workload');
const nonce = 'runtime-nonce';
const runtimes = [
  { name: 'Deno', program: 'deno', slowBodies: 'answered', stalledReaders: 'not offered' },
  { name: 'Bun', program: 'bun', slowBodies: 'cut off', stalledReaders: 'cut off' },
] as const;

for (const { name, program, slowBodies, stalledReaders } of runtimes) {
  const { path, skip } = runtimeBinary(program);
  // the command line that the targets use, permissions and all
  const [command, ...args] = runtimeCommand(program, path, join(artifact, `${program}.mjs`));
  describe(name, { skip }, () => {
    let server: RunningServer;
    before(async () => {
      if (!existsSync(join(artifact, 'artifact.json'))) await buildWorkload();
      server = await startServer({
        command,
        args,
        env: { SCRATCHPAD_NONCE: nonce, SCRATCHPAD_REQUEST_TIMEOUT_MS: '2000' },
      });
    });
    after(async () => {
      assert.equal(await server.stop(), 0);
    });
    contract(`the bundle on ${name}`, () => server.url, { nonce });
    security(`the bundle on ${name}`, () => server.url, {
      requestTimeoutMs: 2000,
      slowHeads: 'not offered',
      slowBodies,
      earlyAnswers: 'arrive',
      stalledReaders,
      parserHeaders: false,
    });
    drains(`the bundle on ${name}`, () => startServer({ command, args }));
  });
}
