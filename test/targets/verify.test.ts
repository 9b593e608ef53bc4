import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { listeningAtMs } from '../../cli/targets/app-log.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { exampleState } from './example-state.ts';

const PREPARED = {
  durationMs: 1,
  cached: true,
  artifactSha256: 'aa',
  runtimeSha256: 'rr',
  steps: [],
  handles: {},
  warnings: [],
};

/** A workload that says this of itself. */
async function workload(t: TestContext, reply: unknown) {
  const server = createServer((request, response) => {
    assert.equal(request.url, '/readyz?verify=1');
    response.end(typeof reply === 'string' ? reply : JSON.stringify(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, state: { ...exampleState(), prepared: PREPARED } };
}

const INSIDE = { artifactSha256: 'aa', runtimeSha256: 'rr', runtime: 'node', runtimeVersion: '24' };

describe('verification inside', () => {
  it('what runs is what was deployed', async (t) => {
    assert.deepEqual(await verifyInside(await workload(t, { ...INSIDE, status: 'ready' })), INSIDE);
  });

  for (const field of ['artifactSha256', 'runtimeSha256'] as const) {
    it(`another ${field} is a mismatch that names both`, async (t) => {
      const deployment = await workload(t, { ...INSIDE, [field]: 'xx' });
      await assert.rejects(
        verifyInside(deployment),
        (error: Error & { code: string; exitCode: number; details: object }) => {
          assert.equal(error.code, 'ARTIFACT_MISMATCH');
          assert.equal(error.exitCode, 3);
          assert.deepEqual(error.details, { expected: PREPARED[field], found: 'xx' });
          return true;
        },
      );
    });
  }

  for (const [what, reply] of [
    ['says nothing of hashes', { status: 'ready' }],
    ['is no scratch pad', '<html>'],
  ] as const) {
    it(`a server that ${what} is not verified`, async (t) => {
      await assert.rejects(verifyInside(await workload(t, reply)), { code: 'TARGET_UNREACHABLE' });
    });
  }

  it('an abort is the abort, not an unreachable target', async (t) => {
    const reason = new Error('stop');
    const deployment = await workload(t, INSIDE);
    await assert.rejects(verifyInside(deployment, AbortSignal.abort(reason)), reason);
  });
});

describe('the app’s own log', () => {
  const log = [
    '{"event":"listening","atMs":1000}',
    '{"event":"request","path":"/\\"listening\\""}',
    '{"event":"listening","atMs":5000}',
    'garbage "listening" {',
  ].join('\n');

  it('says when it last began to listen, of this start alone', () => {
    assert.equal(listeningAtMs(log, 0), 5000);
    assert.equal(listeningAtMs(log, 5001), 5000); // its clock moves in milliseconds
    assert.equal(listeningAtMs(log, 6000), null);
    assert.equal(listeningAtMs('', 0), null);
  });
});
