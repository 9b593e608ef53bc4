/** The same contract and the same security table on the other runtimes, from the same artifact. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtimeCommand } from '../../cli/targets/runtime.ts';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { contract } from './contract.ts';
import { drains } from './drain.ts';
import { exchange, statusesOf } from './raw.ts';
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
    test('an idle connection is kept for as long as its client was told', async () => {
      const told = (await fetch(new URL('/livez', server.url))).headers.get('keep-alive');
      // Deno tells nothing, and ends none
      assert.equal(told, program === 'bun' ? 'timeout=2' : null);
      const get = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
      // at all moments of the server's own step, which is 4 s
      const replies = Array.from({ length: 16 }, async (_, index) => {
        await sleep(index * 250);
        return exchange(server.url, [get, get], {
          pauseMs: 1_800,
          timeoutMs: 10_000,
          done: (text) => statusesOf({ head: text, body: '' }).length === 2,
        });
      });
      for (const reply of await Promise.all(replies)) {
        assert.deepEqual(statusesOf(reply), ['200', '200'], reply.end);
      }
    });
    drains(`the bundle on ${name}`, () => startServer({ command, args }));
  });
}
