/** What a resumed bench makes of what a crash left of its last round, on its files alone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { resumeBench, runRounds } from '../../cli/bench/bench.ts';
import {
  nextAttempt,
  readBench,
  trialFileName,
  writeBench,
  writeTrial,
} from '../../cli/bench/folder.ts';
import { planBench } from '../../cli/bench/plan.ts';
import { assertSameWorkload } from '../../cli/bench/resume-checks.ts';
import { isScratchpadError, ScratchpadError } from '../../cli/errors.ts';
import type { Scenario } from '../../cli/load/types.ts';
import { readArtifact } from '../../cli/targets/artifact.ts';
import { generateBench } from '../report/bench-generator.ts';

const PLAN = planBench({
  targets: ['bare', 'docker'],
  rounds: 3,
  durationMs: 1000,
  ratePerSecond: 50,
  quick: false,
  seed: 1,
  scenario: undefined,
});

/** Round 1 is whole; of round 2 only the first trial is there, `voided` as given. */
function crashedIn(t: TestContext, voided: string | null): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-bench-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { bench, trials } = generateBench({ bare: true, durationMs: 1000, rounds: 3 });
  const there = trials.filter(({ round, slot }) => round === 1 || (round === 2 && slot === 1));
  there.at(-1)!.voided = voided;
  bench.trials = there.map((trial) => trialFileName(trial, 1));
  Object.assign(bench, { roundsDone: 1, interrupted: true });
  writeBench(folder, bench);
  for (const trial of there) writeTrial(folder, trialFileName(trial, 1), trial);
  return folder;
}

/** Goes on, and is stopped before it deploys anything. */
async function resumedAndStopped(folder: string) {
  const stop = new AbortController();
  stop.abort(new ScratchpadError('INTERRUPTED', 'Interrupted by SIGINT'));
  const { error } = await runRounds(readBench(folder), {
    folder,
    plan: PLAN,
    scenario: {} as Scenario,
    flags: { limits: 'equal', runtime: 'node' },
    pinnings: new Map(),
    progress: { step: () => {}, warn: () => {} },
    signal: stop.signal,
  });
  assert.equal(error?.code, 'INTERRUPTED');
  return readBench(folder);
}

describe('a bench that is resumed after a crash', () => {
  it('voids the round whose trial a gate had voided, by the gate’s reason', async (t) => {
    const folder = crashedIn(t, 'steal 2 %');
    const { bench, trials } = await resumedAndStopped(folder);
    const last = trials.at(-1)!;
    assert.deepEqual(bench.voidedRounds, [{ round: 2, reason: `${last.label}: steal 2 %` }]);
    assert.equal(last.voided, 'steal 2 %');
    assert.equal(nextAttempt(folder, 2), 2, 'the voided trial is not written over');
    assert.deepEqual((await resumedAndStopped(folder)).bench.voidedRounds.length, 1, 'once');
  });

  it('voids the round that was cut off, which counts against no limit', async (t) => {
    const folder = crashedIn(t, null);
    const { bench, trials } = await resumedAndStopped(folder);
    assert.deepEqual(
      bench.voidedRounds.map(({ round, unfinished }) => [round, unfinished]),
      [[2, true]],
    );
    assert.match(trials.at(-1)!.voided!, /^round cut off: the bench was resumed after it/);
    assert.ok(trials.filter(({ round }) => round === 1).every(({ voided }) => voided === null));
  });

  it('has nothing left to do where only its last word was lost, and is whole then', async (t) => {
    const folder = crashedIn(t, null);
    const loaded = readBench(folder);
    Object.assign(loaded.bench, { roundsDone: 3, roundsPlanned: 3 });
    assert.equal(resumeBench(loaded).plan.ratePerSecond, loaded.bench.plan.ratePerSecond);
    loaded.bench.interrupted = false;
    assert.throws(
      () => resumeBench(loaded),
      (error) => isScratchpadError(error) && /is finished/.test(error.message),
    );
  });

  it('numbers its attempts after every file that is there, listed or not', (t) => {
    const folder = crashedIn(t, null);
    writeFileSync(join(folder, 'trial-r02-a3-s1-docker.json'), '{}');
    assert.equal(nextAttempt(folder, 2), 4);
    assert.equal(nextAttempt(folder, 3), 1);
  });

  it('is refused where the workload is another by now, and only there', async (t) => {
    const loaded = readBench(crashedIn(t, null));
    const { sha256 } = readArtifact();
    // the Node of the simulated trials is none that exists
    for (const { artifact } of loaded.trials) artifact!.runtime = { unavailable: 'simulated' };
    const refused = (error: unknown) =>
      isScratchpadError(error) &&
      error.code === 'RECORDS_NOT_COMPARABLE' &&
      /^Not resumed: the workload/.test(error.message) &&
      String(error.cause).includes(sha256);
    await assert.rejects(assertSameWorkload(loaded, {}), refused, 'by what its trials ran');
    loaded.bench.plan['artifactSha256'] = sha256;
    await assertSameWorkload(loaded, {});
    const { folder } = readArtifact();
    const artifacts = { base: { folder, sha256: 'e'.repeat(64) } };
    await assert.rejects(assertSameWorkload(loaded, { artifacts }), refused, 'a declared one');
    await assertSameWorkload(loaded, { artifacts: { base: { folder, sha256 } } });
  });
});
