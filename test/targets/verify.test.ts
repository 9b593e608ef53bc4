import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { listeningAtMs } from '../../cli/targets/app-log.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { exampleState } from './example-state.ts';
import { withEnvironment } from './harness.ts';

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
async function workload(t: TestContext, reply: unknown, more: object = {}) {
  const asked: Array<string | undefined> = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.end(typeof reply === 'string' ? reply : JSON.stringify(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, state: { ...exampleState(), prepared: { ...PREPARED, ...more } }, asked };
}

const INSIDE = { artifactSha256: 'aa', runtimeSha256: 'rr', runtime: 'node', runtimeVersion: '24' };

describe('verification inside', () => {
  it('what runs is what was deployed', async (t) => {
    const deployment = await workload(t, { ...INSIDE, status: 'ready' });
    const found = await verifyInside(deployment);
    assert.deepEqual(found, { ...INSIDE, verifiedBy: 'hashed inside' });
    assert.deepEqual(deployment.asked, ['/readyz?verify=1']);
  });

  it('the same read-only disks are hashed inside once, another content and on demand again', async (t) => {
    const cache = mkdtempSync(join(tmpdir(), 'scratchpad-verify-'));
    t.after(() => rmSync(cache, { recursive: true, force: true }));
    withEnvironment(t, { SCRATCHPAD_CACHE_DIR: cache });
    const deployment = await workload(t, INSIDE, { contentSha256: 'cc' });
    await verifyInside(deployment);
    const again = await verifyInside(deployment);
    assert.match(again.verifiedBy, /^hashed inside on \d{4}-.*Z, from the same read-only disks$/);
    assert.deepEqual({ ...again, verifiedBy: '' }, { ...INSIDE, verifiedBy: '' });
    await verifyInside(deployment, undefined, { fresh: true });
    assert.deepEqual(deployment.asked, ['/readyz?verify=1', '/readyz', '/readyz?verify=1']);
    const other = await workload(t, INSIDE, { contentSha256: 'dd' });
    await verifyInside(other);
    // a proof of another artifact than the one deployed is none
    const rebuilt = await workload(t, INSIDE, { contentSha256: 'cc', artifactSha256: 'bb' });
    await assert.rejects(verifyInside(rebuilt), { code: 'ARTIFACT_MISMATCH' });
    assert.deepEqual([other.asked, rebuilt.asked].flat(), Array(2).fill('/readyz?verify=1'));
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
