/** Built workloads as what is compared: labels, comparability, and a noise floor from elsewhere. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readArtifacts } from '../../cli/bench/artifacts.ts';
import {
  artifactFolderOf,
  artifactOfLabel,
  planBench,
  targetOfLabel,
} from '../../cli/bench/plan.ts';
import { isScratchpadError } from '../../cli/errors.ts';
import type { AnyRecord, TrialRecord } from '../../cli/record/schema.ts';
import { evaluateGates, parseGate } from '../../cli/report/gates.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { gatesFor } from '../../scripts/bench-pr-words.ts';
import { BARE, type BenchOptions, generateBench, type Truth } from './bench-generator.ts';

const ARTIFACTS = {
  base: { folder: '/built/base', sha256: 'a'.repeat(64) },
  head: { folder: '/built/head', sha256: 'b'.repeat(64) },
};
const REQUEST = { durationMs: 1000, ratePerSecond: 50, quick: false, seed: 3, scenario: undefined };

function records(labels: Record<string, Truth>, options: BenchOptions = {}): AnyRecord[] {
  const { bench, trials } = generateBench({
    labels,
    rounds: 10,
    bare: true,
    durationMs: 2000,
    ...options,
  });
  (bench.plan as Record<string, unknown>)['artifacts'] = ARTIFACTS;
  for (const trial of trials) {
    const name = artifactOfLabel(trial.label) as keyof typeof ARTIFACTS;
    trial.artifact!.sha256 = ARTIFACTS[name].sha256;
  }
  return [bench, ...trials];
}

const aa = (noise: number) =>
  records({ 'bare@base': BARE, 'bare@base#2': BARE }, { seed: 2, noise, id: 'aa' });
const slowed: Truth = { ...BARE, throughput: BARE.throughput / 2, cpu: 2 };

describe('a bench of artifacts', () => {
  it('runs two of them in ABBA order, each round both', () => {
    const { labels, schedule } = planBench({
      ...REQUEST,
      targets: ['bare'],
      artifacts: ARTIFACTS,
      rounds: 10,
    });
    assert.deepEqual(labels, ['bare@base', 'bare@head']);
    for (let round = 0; round < 10; round += 2) {
      assert.deepEqual(schedule[round]!.toReversed(), schedule[round + 1], 'AB, then BA');
    }
  });

  it('runs a single one against itself, and several on every target', () => {
    const one = planBench({
      ...REQUEST,
      targets: ['docker'],
      artifacts: { base: ARTIFACTS.base },
      rounds: 2,
    });
    assert.deepEqual(one.labels, ['docker@base', 'docker@base#2']);
    const both = planBench({
      ...REQUEST,
      targets: ['bare', 'docker'],
      artifacts: ARTIFACTS,
      rounds: 2,
    });
    assert.deepEqual(both.labels, ['bare@base', 'bare@head', 'docker@base', 'docker@head']);
    assert.equal(targetOfLabel('docker@base#2'), 'docker');
    assert.equal(artifactFolderOf('docker@base#2', both), '/built/base');
    assert.equal(artifactFolderOf('docker', both), undefined);
  });

  it('refuses what is no NAME=FOLDER, a name given twice, and a folder without a workload', () => {
    for (const [specs, code] of [
      [['dist/workload'], 'BAD_FLAG'],
      [['a/b=dist'], 'BAD_FLAG'],
      [['base=/nowhere'], 'ARTIFACT_MISSING'],
    ] as const) {
      assert.throws(
        () => readArtifacts(specs),
        (error) => isScratchpadError(error) && error.code === code,
      );
    }
    assert.equal(readArtifacts([]), undefined);
  });

  it('is comparable by design, but not where a label ran another artifact than declared', () => {
    const bench = records({ 'bare@base': BARE, 'bare@head': BARE });
    const comparison = buildComparison(bench);
    assert.equal(comparison.studies, 'artifacts');
    assert.match(comparison.question, /^Does bare@head cost more than bare@base/);
    for (const record of bench) {
      if (record.kind === 'trial' && record.label === 'bare@head') {
        record.artifact!.sha256 = 'c'.repeat(64);
      }
    }
    assert.throws(() => buildComparison(bench), /workload artifact/);
  });
});

describe('the noise floor of another bench (--control)', () => {
  const gate = [parseGate('throughput<0.95')];
  const head = records({ 'bare@base': BARE, 'bare@head': slowed });

  it('guards claims and gates: a difference within it fails nothing', () => {
    const quiet = buildComparison(head, { control: aa(0.02) });
    const [failed] = evaluateGates(gate, quiet);
    assert.equal(failed!.status, 'failed');
    assert.match(failed!.detail, /bare@head ÷ bare@base = 0\.\d+×/);
    assert.ok(quiet.metrics.find(({ id }) => id === 'throughput')!.control!.ratio! > 0);

    const noisy = buildComparison(head, { control: aa(1.5) });
    const [undecided] = evaluateGates(gate, noisy);
    assert.deepEqual([undecided!.status, undecided!.passed], ['undecided', true]);
    assert.match(undecided!.detail, /two identical deployments/);
  });

  it('is refused from another machine, another plan, and a bench without an A/A pair', () => {
    const refused = (control: AnyRecord[], words: RegExp) =>
      assert.throws(() => buildComparison(head, { control }), words);
    refused(head, /no A\/A pair/);
    const docker: Truth = { ...BARE, target: 'docker' };
    const onDocker = { 'docker@base': docker, 'docker@base#2': docker };
    refused(records(onDocker, { id: 'aa' }), /measured on docker, not on bare/);
    refused(
      records({ 'bare@base': BARE, 'bare@base#2': BARE }, { fingerprint: 'e'.repeat(16) }),
      /another machine/,
    );
    const faster = (trial: TrialRecord) => {
      trial.latency.plan.sha256 = 'd'.repeat(64);
    };
    refused(
      records({ 'bare@base': BARE, 'bare@base#2': BARE }, { edit: faster }),
      /another request plan/,
    );
  });
});

describe('the gates of bench:pr', () => {
  const failed = (head: Truth, noise: number, seed: number) => {
    const options = { noise, id: `ab${seed}`, seed: 100 + seed };
    const ab = records({ 'bare@base': BARE, 'bare@head': head }, options);
    const control = records(
      { 'bare@base': BARE, 'bare@base#2': BARE },
      { noise, id: `aa${seed}`, seed },
    );
    const comparison = buildComparison(ab, { control });
    return evaluateGates(gatesFor(0.05).map(parseGate), comparison).filter(({ passed }) => !passed);
  };
  const seeds = Array.from({ length: 20 }, (_, i) => i + 1);

  it('fail hardly ever for a commit that changed nothing, however noisy the machine', () => {
    const alarms = seeds.filter((seed) => failed(BARE, 0.3, seed).length > 0);
    assert.ok(alarms.length <= 1, `${alarms.length} of ${seeds.length}: seeds ${alarms}`);
  });

  it('find a commit that takes twice as long, and name its metrics', () => {
    for (const seed of seeds.slice(0, 8)) {
      const found = failed(slowed, 0.05, seed).map(({ expression }) => expression);
      for (const gate of ['throughput<0.9524', 'cpu>1.0500']) {
        assert.ok(found.includes(gate), `seed ${seed}: ${gate}`);
      }
    }
  });
});
