/**
 * Hostile requests against the bundle on Node, Deno and Bun; SCRATCHPAD_FUZZ and SCRATCHPAD_FUZZ_SEED
 * change them.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runtimeCommand } from '../../cli/targets/runtime.ts';
import { fuzz } from './fuzz.ts';
import { type RunningServer, root, runtimeBinary, startServer } from './server.ts';

const seed = process.env['SCRATCHPAD_FUZZ_SEED'];
const requests = Number(process.env['SCRATCHPAD_FUZZ'] ?? 10_000);

for (const [name, runtime, entry] of [
  ['Node', 'node', 'server.mjs'],
  ['Deno', 'deno', 'deno.mjs'],
  ['Bun', 'bun', 'bun.mjs'],
] as const) {
  const { path, skip } =
    runtime === 'node' ? { path: process.execPath, skip: false as const } : runtimeBinary(runtime);
  const [command, ...args] = runtimeCommand(runtime, path, join(root, 'dist/workload', entry));
  describe(`the bundle on ${name}, fuzzed`, { skip }, () => {
    let server: RunningServer;
    before(async () => {
      server = await startServer({
        command: command!,
        args,
        env: { SCRATCHPAD_REQUEST_TIMEOUT_MS: '2000' },
      });
    });
    after(async () => {
      await server.stop();
    });
    fuzz(`the bundle on ${name}`, () => server.url, {
      requests,
      parserSays505: runtime === 'bun',
      ...(seed === undefined ? {} : { seed: Number(seed) }),
    });
    test('the server has logged no error meanwhile', () => {
      assert.deepEqual(
        server.lines.filter(({ event }) => event === 'error'),
        [],
      );
      assert.equal(server.stderr(), '');
    });
  });
}
