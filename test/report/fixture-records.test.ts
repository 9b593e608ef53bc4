/**
 * fixtures/records/: a small simulated bench to try `compare` on without measuring anything. It is
 * made by bench-generator.ts with a known truth; `UPDATE_GOLDENS=1` writes it anew.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { readBench } from '../../cli/bench/folder.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { BARE, DOCKER, generateBench } from './bench-generator.ts';

const folder = join(
  dirname(fileURLToPath(import.meta.url)),
  '../../fixtures/records/simulated-bench',
);

/** docker starts 3.1 times later and is 30 % slower; `bare#2` is a bare. Round 4 was voided once. */
function make(): Map<string, string> {
  const { bench, trials } = generateBench({
    id: 'simulated-bench',
    labels: { bare: BARE, docker: DOCKER, 'bare#2': BARE },
    rounds: 6,
    durationMs: 5000,
    ratePerSecond: 20,
    voided: { 4: 'docker: simulated steal of 3 %' },
  });
  bench.warnings.push('simulated: made by test/report/bench-generator.ts, nothing was measured');
  bench.trials = trials.map(
    ({ round, slot, label, voided }) =>
      `trial-r${String(round).padStart(2, '0')}-a${voided !== null || round !== 4 ? 1 : 2}-s${slot}-${label.replace('#', '-')}.json`,
  );
  return new Map([
    ['bench.json', `${JSON.stringify(bench)}\n`],
    ...trials.map((trial, i) => [bench.trials[i]!, `${JSON.stringify(trial)}\n`] as const),
  ]);
}

/** Histograms unpacked: two versions of zlib pack the same bytes differently. */
function inflated(json: string): string {
  return json.replace(/"histogram":"([^"]*)"/g, (_, packed: string) =>
    inflateSync(Buffer.from(packed, 'base64').subarray(8)).toString('base64'),
  );
}

describe('the sample records', () => {
  const files = make();
  if (process.env['UPDATE_GOLDENS'] === '1') {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
  }

  it('are what the generator makes: UPDATE_GOLDENS=1 on this file writes them anew', () => {
    assert.ok(existsSync(folder), 'no fixtures/records/simulated-bench');
    assert.deepEqual(readdirSync(folder).sort(), [...files.keys()].sort());
    for (const [name, text] of files) {
      assert.ok(
        inflated(readFileSync(join(folder, name), 'utf8')) === inflated(text),
        `${name} has changed`,
      );
    }
  });

  it('are small, valid, and give back the truth that they were made with', () => {
    const bytes = [...files.values()].reduce((sum, text) => sum + text.length, 0);
    assert.ok(bytes < 400_000, `${bytes} bytes`);
    const { bench, trials } = readBench(folder);
    const comparison = buildComparison([bench, ...trials]);
    const pair = comparison.metrics.find(({ id }) => id === 'start-up')!.pairs[0]!;
    const truth = DOCKER.startUpMs / BARE.startUpMs;
    assert.equal(pair.verdict, 'differs');
    assert.ok(pair.interval95![0] < truth && pair.interval95![1] > truth);
    assert.deepEqual(
      comparison.excludedRounds.map(({ round }) => round),
      [4],
    );
  });
});
