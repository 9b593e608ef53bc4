/** A workload that something inside of its target has started again is told in what was measured. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { benchLoad } from '../../cli/bench/bench-load.ts';
import { measureLoad } from '../../cli/load/measure.ts';
import { loadScenario } from '../../cli/load/scenario.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { exampleState } from './example-state.ts';
import { NEVER } from './harness.ts';

async function warningsOf(
  t: Pick<TestContext, 'after'>,
  restarts: Deployment['restarts'],
): Promise<string[]> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const deployment = {
    state: exampleState(),
    url,
    meter: async () => {
      throw new Error('no meter here');
    },
    ...(restarts ? { restarts } : {}),
  } as unknown as Deployment;
  const { warnings } = await measureLoad({
    url,
    deployment,
    options: benchLoad({
      loop: { ratePerSecond: 20 },
      durationMs: 200,
      warmupMs: 0,
      seed: 1,
      scenario: await loadScenario('index'),
    }),
    generatorCpus: null,
    signal: NEVER,
  });
  return warnings.filter((warning) => warning.includes('started again'));
}

test('a workload that was started again under load is told, with how often', async (t) => {
  const counts = [1, 3];
  const warnings = await warningsOf(t, async () => counts.shift() ?? 0);
  assert.equal(warnings.length, 1, JSON.stringify(warnings));
  assert.match(warnings[0]!, /ended under load and was started again .*: 2×/);
});

test('one that was started again before, is not, or whose restarts cannot be told is no warning', async (t) => {
  assert.deepEqual(await warningsOf(t, async () => 2), []);
  assert.deepEqual(await warningsOf(t, async () => null), []);
  assert.deepEqual(await warningsOf(t, undefined), []);
});
