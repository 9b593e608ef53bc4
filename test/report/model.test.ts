import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shuffle } from 'simple-statistics';
import { isScratchpadError } from '../../cli/errors.ts';
import type { AnyRecord, TrialRecord } from '../../cli/record/schema.ts';
import { buildComparison, type Comparison } from '../../cli/report/model.ts';
import { plannedEffects } from '../../cli/report/planned-effects.ts';
import { renderComparison } from '../../cli/report/render.ts';
import { randomSource } from '../../cli/stats/random.ts';
import {
  BARE,
  type BenchOptions,
  DOCKER,
  generateBench,
  generateLoad,
  generateRecords,
  VM,
} from './bench-generator.ts';

const small = { bare: true, durationMs: 1000, ratePerSecond: 200 } satisfies BenchOptions;

function pairOf(comparison: Comparison, metricId: string, a = 'docker', b = 'bare') {
  const metric = comparison.metrics.find(({ id }) => id === metricId);
  const pair = metric?.pairs.find((each) => each.a === a && each.b === b);
  assert.ok(metric && pair, `${metricId} ${a} ÷ ${b}`);
  return pair;
}

function refusal(run: () => unknown): { message: string; reasons: string[] } {
  try {
    run();
  } catch (error) {
    assert.ok(isScratchpadError(error), String(error));
    assert.equal(error.code, 'RECORDS_NOT_COMPARABLE');
    assert.equal(error.exitCode, 2);
    return { message: error.message, reasons: (error.details?.['reasons'] ?? []) as string[] };
  }
  assert.fail('it was not refused');
}

describe('a bench with a known truth', () => {
  for (const [factor, noise, verdict] of [
    [1, 0.01, 'equivalent'],
    [1.03, 0.01, 'equivalent'],
    [1.1, 0.02, 'differs'],
    [2, 0.03, 'differs'],
    [0.5, 0.03, 'differs'],
  ] as const) {
    it(`of a factor of ${factor} is found: ${verdict}`, () => {
      const slower = { ...BARE, target: 'docker', startUpMs: BARE.startUpMs * factor, cpu: factor };
      const comparison = buildComparison(
        generateRecords({
          ...small,
          noise,
          labels: { bare: BARE, docker: slower, 'bare#2': BARE },
        }),
      );
      for (const metricId of ['start-up', 'cpu-per-1000']) {
        const pair = pairOf(comparison, metricId);
        assert.equal(pair.verdict, verdict, `${metricId} ${pair.ratio} ${pair.interval95}`);
        assert.ok(pair.interval95![0] <= factor * 1.01 && pair.interval95![1] >= factor * 0.99);
        assert.equal(pair.n, 12);
      }
    });
  }

  it('claims a difference between identical targets in at most 5 % of the tests of 60 benches', () => {
    let claimed = 0;
    let tests = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const labels = { bare: BARE, docker: { ...BARE, target: 'docker' }, 'bare#2': BARE };
      const comparison = buildComparison(generateRecords({ ...small, seed, labels, rounds: 6 }));
      for (const { role, pairs } of comparison.metrics) {
        if (role !== 'primary') continue;
        tests += pairs.length;
        claimed += pairs.filter((pair) => pair.claimed).length;
      }
    }
    assert.equal(tests, 300);
    assert.ok(claimed <= 15, `${claimed} of ${tests}`);
  });

  it('pairs 3 targets, leaves the control out of the pairs and corrects 15 comparisons', () => {
    const labels = { bare: BARE, docker: DOCKER, vm: VM, 'bare#2': BARE };
    const comparison = buildComparison(generateRecords({ ...small, labels }));
    const metric = comparison.metrics.find(({ id }) => id === 'start-up')!;
    assert.deepEqual(
      metric.pairs.map(({ a, b }) => `${a} ÷ ${b}`),
      ['docker ÷ bare', 'vm ÷ bare', 'vm ÷ docker'],
    );
    assert.equal(comparison.comparisons, 15);
    assert.equal(metric.control?.a, 'bare#2');
    assert.equal(metric.best, 'bare');
    // 15 times the least p of 12 rounds, 2/2¹²
    assert.ok(Math.abs(metric.pairs[0]!.holmPValue! - (15 * 2) / 4096) < 1e-12);
  });

  it('says of an emulated machine that it is emulated, and orders its claims last', () => {
    const labels = { bare: BARE, docker: DOCKER, vm: VM };
    const comparison = buildComparison(generateRecords({ ...small, labels }));
    assert.ok(
      comparison.banners.some((banner) => /vm: emulated.*say nothing about VMs/.test(banner)),
    );
    const flags = comparison.claims.map(({ emulated }) => emulated);
    assert.deepEqual(flags, [...flags].sort());
    for (const { emulated, sentence, a, b } of comparison.claims) {
      assert.equal(emulated, a === 'vm' || b === 'vm');
      if (emulated) assert.match(sentence, /emulated/);
    }
  });

  it('does not claim what is below the noise floor', () => {
    const noisy = { ...BARE };
    const records = generateRecords({
      ...small,
      noise: 0.005,
      labels: {
        bare: BARE,
        docker: { ...BARE, target: 'docker', startUpMs: 350 },
        'bare#2': noisy,
      },
      edit: (trial) => {
        // the control is a fifth slower: two identical deployments that differ by 20 %
        if (trial.label === 'bare#2') trial.startUp.firstHitMs *= 1.2;
      },
    });
    const comparison = buildComparison(records);
    const pair = pairOf(comparison, 'start-up');
    assert.equal(pair.verdict, 'differs');
    assert.equal(pair.claimed, false);
    assert.ok(pair.noiseFloorRatio! > 1.15);
    const claim = comparison.claims.find(({ metricId }) => metricId === 'start-up')!;
    assert.match(claim.sentence, /two identical deployments differed by up to .* not claimed/);
  });
});

describe('few rounds', () => {
  it('get figures and intervals and the banner "no inference"', () => {
    const comparison = buildComparison(generateRecords({ ...small, rounds: 3, quick: true }));
    assert.equal(comparison.inference.allowed, false);
    assert.match(comparison.banners[0]!, /^Quick bench: no inference\. 3 rounds/);
    const pair = pairOf(comparison, 'start-up');
    assert.equal(pair.verdict, 'no-inference');
    assert.equal(pair.claimed, false);
    assert.notEqual(pair.interval95, null);
    assert.ok(comparison.claims.every(({ kind }) => kind === 'silent'));
    assert.ok(comparison.metrics.every(({ best }) => best === null));
  });

  it('of six are told that Holm cannot be survived', () => {
    const comparison = buildComparison(generateRecords({ ...small, rounds: 6 }));
    assert.equal(comparison.holmReachable, false);
    assert.ok(comparison.banners.some((banner) => /6 rounds: .*Holm/.test(banner)));
  });
});

describe('a quick bench', () => {
  const eight = { ...small, rounds: 8, quick: true, noise: 0.005 } satisfies BenchOptions;

  for (const [what, records] of [
    ['with eight rounds', generateRecords(eight)],
    [
      'without its bench.json',
      generateBench({ ...eight, edit: (trial) => Object.assign(trial, { quick: true }) }).trials,
    ],
    [
      'against a whole one',
      [
        ...generateRecords(eight),
        ...generateRecords({ ...small, id: 'whole', startedAt: '2026-11-01T00:00:00.000Z' }),
      ],
    ],
  ] as const) {
    it(`${what} infers nothing, whatever its figures`, () => {
      const comparison = buildComparison([...records]);
      assert.equal(comparison.inference.allowed, false);
      assert.match(comparison.inference.reason!, /quick bench is a smoke test/);
      assert.equal(comparison.comparisons, 0);
      assert.ok(comparison.claims.every(({ kind }) => kind === 'silent'));
      for (const { pairs, control, best } of comparison.metrics) {
        assert.equal(best, null);
        for (const pair of [...pairs, ...(control === null ? [] : [control])]) {
          assert.equal(pair.verdict, 'no-inference');
          const inferred = [pair.claimed, pair.pValue, pair.holmPValue, pair.noiseFloorRatio];
          assert.deepEqual(inferred, [false, null, null, null]);
        }
      }
    });
  }

  it('says so in its banner and of its noise floor', () => {
    const comparison = buildComparison(generateRecords(eight));
    assert.match(comparison.banners[0]!, /^Quick bench: no inference\. A quick bench is/);
    const text = renderComparison(comparison, 'table', { color: false, width: 100 });
    assert.match(text.replace(/\s+/g, ' '), /Noise floor not established: a quick bench/);
  });
});

describe('records as they come', () => {
  it('give the same comparison in any order', () => {
    const records = generateRecords(small);
    const shuffled = shuffle(records, randomSource(5));
    assert.notDeepEqual(shuffled, records);
    assert.deepEqual(buildComparison(shuffled), buildComparison(records));
  });

  it('are counted once where they are given twice', () => {
    const records = generateRecords(small);
    const comparison = buildComparison([...records, records[3]!]);
    assert.ok(comparison.warnings.some((text) => /was given twice: counted once/.test(text)));
    assert.equal(pairOf(comparison, 'start-up').n, 12);
  });

  it('may lack a trial: its round counts for the other pairs, and that is said', () => {
    const labels = { bare: BARE, docker: DOCKER, vm: VM };
    const records = generateRecords({ ...small, labels }).filter(
      (record) => !(record.kind === 'trial' && record.label === 'vm' && record.round === 4),
    );
    const comparison = buildComparison(records);
    assert.equal(pairOf(comparison, 'start-up', 'vm', 'bare').n, 11);
    assert.equal(pairOf(comparison, 'start-up').n, 12);
    assert.ok(comparison.warnings.includes('1 of 36 trials of the bench are missing'));
    assert.ok(comparison.warnings.some((text) => /round 4 has no vm/.test(text)));
  });

  it('may lack bench.json, which is said, and keep the direction of their ratios', () => {
    const labels = { vm: VM, docker: DOCKER, bare: BARE, 'bare#2': BARE };
    for (const seed of [1, 2, 3]) {
      const { trials } = generateBench({ ...small, labels, seed });
      const comparison = buildComparison(trials);
      assert.equal(pairOf(comparison, 'start-up').n, 12);
      assert.ok(comparison.warnings.some((text) => /bench\.json is missing/.test(text)));
      const { pairs, control } = comparison.metrics.find(({ id }) => id === 'throughput')!;
      assert.deepEqual(
        [...pairs, control!].map(({ a, b }) => `${a} ÷ ${b}`),
        ['docker ÷ bare', 'vm ÷ bare', 'vm ÷ docker', 'bare#2 ÷ bare'],
      );
      assert.equal(comparison.subjects[0]!.role, 'baseline');
      assert.equal(pairs[0]!.wins, 0, 'less throughput is worse');
    }
  });

  it('are refused where a trial belongs to another bench, by the name of its file', () => {
    const { bench, trials } = generateBench(small);
    const foreign = generateBench({ ...small, seed: 2 }).trials[0]!;
    const records = [bench, ...trials, foreign];
    assert.match(refusal(() => buildComparison(records)).message, /2 benches/);
    assert.throws(
      () =>
        buildComparison(records, {
          origins: (record) => (record === foreign ? 'other/trial.json' : undefined),
        }),
      (error) => isScratchpadError(error) && /other\/trial\.json/.test(String(error.cause)),
    );
  });

  it('are refused where two that differ have one name, and one without a time', () => {
    const { bench, trials } = generateBench(small);
    const changed = structuredClone(trials[4]!);
    changed.startUp.firstHitMs *= 2;
    const records: AnyRecord[] = [bench, ...trials, changed];
    const origins = (record: AnyRecord) => (record === changed ? 'changed.json' : 'first.json');
    assert.throws(
      () => buildComparison(records, { origins }),
      /Two different records have the name trial .*\(first\.json, changed\.json\)/,
    );
    const forced = buildComparison(records, { force: true });
    assert.ok(forced.warnings.some((text) => /the first one is used/.test(text)));
    assert.equal(pairOf(forced, 'start-up').n, 12);

    const timeless = { ...structuredClone(trials[4]!), startedAt: 'yesterday' };
    assert.throws(
      () => buildComparison([bench, ...trials.toSpliced(4, 1, timeless)]),
      (error) => isScratchpadError(error) && error.code === 'RECORD_FOREIGN',
    );
  });

  it('of a folder that is named twice are told of once', () => {
    const records = generateRecords(small);
    const { warnings } = buildComparison([...records, ...structuredClone(records)]);
    assert.equal(warnings.filter((text) => /given twice/.test(text)).length, 1);
    assert.ok(
      warnings.some((text) => /^37 records were given twice: each counted once/.test(text)),
    );
  });

  it('that began at the same moment are sorted by their names', () => {
    const loads = [0, 1, 2].map((index) =>
      generateLoad(DOCKER, { bare: true, durationMs: 1000, ratePerSecond: 200, index }),
    );
    for (const load of loads) load.startedAt = '2026-11-24T03:15:00.000Z';
    assert.deepEqual(buildComparison(loads.toReversed()), buildComparison(loads));
  });

  it('are refused where a round holds a label twice, and the later one is kept by force', () => {
    const { bench, trials } = generateBench(small);
    const twin: TrialRecord = { ...trials[0]!, id: 'twin', startedAt: '2026-12-01T00:00:00.000Z' };
    const records: AnyRecord[] = [bench, ...trials, twin];
    assert.match(refusal(() => buildComparison(records)).message, /two valid trials/);
    const forced = buildComparison(records, { force: true });
    assert.ok(forced.warnings.some((text) => /the later one is used/.test(text)));
  });

  it('of nothing are refused with a hint', () => {
    assert.throws(
      () => buildComparison([]),
      (error) => isScratchpadError(error) && error.code === 'RECORD_NOT_FOUND' && !!error.hint,
    );
  });
});

describe('voided rounds', () => {
  it('do not count, their repetition does, and both are told', () => {
    const comparison = buildComparison(
      generateRecords({ ...small, voided: { 3: 'docker: steal 2 %', 7: 'bare: errors' } }),
    );
    assert.equal(pairOf(comparison, 'start-up').n, 12);
    assert.deepEqual(
      comparison.excludedRounds.map(({ round, repeated }) => [round, repeated]),
      [
        [3, true],
        [7, true],
      ],
    );
    const voided = comparison.trials.filter(({ excluded }) => excluded !== null);
    assert.equal(voided.length, 6);
  });

  it('take the good trials of their round with them where it was not repeated', () => {
    const { bench, trials } = generateBench(small);
    trials.find(({ round, label }) => round === 5 && label === 'docker')!.voided = 'steal';
    const comparison = buildComparison([bench, ...trials]);
    assert.equal(pairOf(comparison, 'start-up').n, 11);
    const row = comparison.trials.find(({ round, label }) => round === 5 && label === 'bare')!;
    assert.match(row.excluded!, /its round was voided: docker: steal/);
  });

  it('count where the records of the voided attempt are lost: the bench says it was made good', () => {
    const { bench, trials } = generateBench({ ...small, voided: { 3: 'docker: steal 2 %' } });
    const left = trials.filter(({ voided }) => voided === null);
    const comparison = buildComparison([bench, ...left]);
    assert.equal(pairOf(comparison, 'start-up').n, 12);
    assert.deepEqual(
      comparison.excludedRounds.map(({ round, repeated }) => [round, repeated]),
      [[3, true]],
    );
    bench.roundsDone = 2;
    assert.equal(pairOf(buildComparison([bench, ...left]), 'start-up').n, 11, 'it says it was not');
  });

  it('are made of trials where the generator was the bottleneck or the load was interrupted', () => {
    const { bench, trials } = generateBench(small);
    const [first, second] = [trials[0]!, trials[4]!];
    first.latency.generator.clientLimited = true;
    first.latency.generator.reasons = ['event loop 92 %'];
    second.latency.interrupted = true;
    const comparison = buildComparison([bench, ...trials]);
    assert.equal(pairOf(comparison, 'start-up').n, 10);
    assert.match(
      comparison.excludedRounds[0]!.reason,
      /generator was the bottleneck \(event loop 92 %\)/,
    );
  });

  it('leave nothing where all are void', () => {
    const { bench, trials } = generateBench({ ...small, rounds: 2 });
    for (const trial of trials) trial.voided = 'errors';
    assert.match(
      refusal(() => buildComparison([bench, ...trials])).message,
      /Every round was voided/,
    );
  });

  it('of a quick bench, whose gates only warn, keep the figures and the warning', () => {
    const { bench, trials } = generateBench({ ...small, rounds: 3, quick: true });
    trials[0]!.latency.generator.clientLimited = true;
    const comparison = buildComparison([bench, ...trials]);
    assert.equal(pairOf(comparison, 'start-up').n, 3);
    assert.ok(
      comparison.banners.some((text) => /^The generator was the bottleneck in 1 of 9/.test(text)),
    );
  });
});

describe('comparability inside a bench', () => {
  it('notes path, provider and acceleration: they belong to the target that is under study', () => {
    const labels = { bare: BARE, docker: DOCKER, vm: VM };
    const comparison = buildComparison(generateRecords({ ...small, labels }));
    assert.deepEqual(
      comparison.differences.map(({ what, severity }) => [what, severity]),
      [
        ['provider', 'note'],
        ['path', 'note'],
        ['acceleration', 'note'],
      ],
    );
    assert.equal(comparison.forced, false);
    assert.ok(comparison.notes.some((note) => /path: .*docker-proxy \(docker\)/.test(note)));
  });

  const breaches: Array<[string, (trial: TrialRecord) => void]> = [
    ['workload artifact', (trial) => Object.assign(trial.artifact!, { sha256: 'e'.repeat(64) })],
    ['runtime version', (trial) => Object.assign(trial.artifact!, { runtimeVersion: '22.0.0' })],
    ['machine', (trial) => Object.assign(trial.host, { fingerprint: 'other' })],
    ['limits', (trial) => Object.assign(trial.limits, { cpus: 2 })],
    ['latency phase', (trial) => Object.assign(trial.latency.plan, { sha256: 'e'.repeat(64) })],
  ];
  for (const [what, breach] of breaches) {
    it(`refuses another ${what} for one target, and keeps the warning by force`, () => {
      const records = generateRecords({
        ...small,
        edit: (trial) => {
          if (trial.label === 'docker') breach(trial);
        },
      });
      const { reasons } = refusal(() => buildComparison(records));
      assert.equal(reasons.length, 1);
      assert.match(reasons[0]!, new RegExp(what));
      const forced = buildComparison(records, { force: true });
      assert.equal(forced.forced, true);
      assert.ok(forced.banners.some((banner) => /^Forced/.test(banner)));
      assert.ok(forced.warnings.some((text) => text.includes(what)));
    });
  }

  it('refuses one target that changed its path in the middle', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        if (trial.label === 'docker' && trial.round > 6) trial.target.path = 'iptables';
      },
    });
    assert.match(refusal(() => buildComparison(records)).reasons[0]!, /path: .*docker-proxy/);
  });

  it('takes unequal limits as they are where the profile says they are unequal', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        trial.limits = {
          profile: 'classic',
          cpus: trial.label === 'docker' ? 1 : 2,
          memoryBytes: 1,
        };
      },
    });
    const comparison = buildComparison(records);
    assert.equal(comparison.forced, false);
    assert.match(comparison.banners[0]!, /^Unequal limits, as declared: .*docker 1 CPU, 1 bytes/);
    assert.ok(comparison.notes.some((note) => /^differs by design: limits: /.test(note)));
  });

  it('takes what was declared for each target, and nothing else', () => {
    const { bench, trials } = generateBench(small);
    const custom = (cpus: number) => ({ profile: 'custom' as const, cpus, memoryBytes: 2 ** 29 });
    for (const trial of trials) trial.limits = custom(trial.label === 'docker' ? 2 : 1);
    const records = [bench, ...trials];
    assert.match(refusal(() => buildComparison(records)).reasons[0]!, /^limits: .*1 CPU, 512 MiB/);
    bench.plan['limitsByTarget'] = { bare: custom(1), docker: custom(2) };
    const comparison = buildComparison(records);
    assert.match(comparison.banners[0]!, /docker 2 CPUs, 512 MiB/);
    const limits = comparison.environment.rows.find(({ name }) => name === 'Limits')!;
    assert.match(limits.value, /bare.*: 1 CPU, 512 MiB \(custom\)/);
    assert.match(limits.value, /docker: 2 CPUs, 512 MiB \(custom\)/);
    trials.find(({ label }) => label === 'docker')!.limits = custom(4);
    assert.match(refusal(() => buildComparison(records)).reasons[0]!, /4 CPUs/);
  });
});

describe('two benches', () => {
  const before = generateRecords({ ...small, seed: 3, startedAt: '2026-11-01T00:00:00.000Z' });
  const slower = { bare: BARE, docker: { ...DOCKER, latency: 2.6 }, 'bare#2': BARE };
  const after = generateRecords({ ...small, seed: 4, labels: slower });

  it('compare each target with itself, the older bench being the baseline', () => {
    const comparison = buildComparison([...after, ...before]);
    assert.equal(comparison.studies, 'benches');
    const pair = pairOf(comparison, 'latency-p99', 'docker', 'docker (baseline)');
    assert.equal(pair.verdict, 'differs');
    assert.ok(Math.abs(pair.ratio! - 2) < 0.25, String(pair.ratio));
    const same = pairOf(comparison, 'latency-p99', 'bare', 'bare (baseline)');
    assert.notEqual(same.verdict, 'differs');
    assert.deepEqual(buildComparison(after, { baseline: before }).metrics, comparison.metrics);
  });

  it('are refused where path, acceleration or artifact are others for the same target', () => {
    for (const breach of [
      (trial: TrialRecord) => Object.assign(trial.target, { path: 'iptables' }),
      (trial: TrialRecord) => Object.assign(trial.target, { acceleration: 'kvm' }),
      (trial: TrialRecord) => Object.assign(trial.artifact!, { sha256: '9'.repeat(64) }),
    ]) {
      const other = generateRecords({ ...small, seed: 4, edit: breach });
      const { reasons } = refusal(() => buildComparison(other, { baseline: before }));
      assert.ok(reasons.length >= 1);
      assert.match(reasons[0]!, /\(baseline\)/);
      assert.equal(buildComparison(other, { baseline: before, force: true }).forced, true);
    }
  });

  it('are refused where they share no target, also by force', () => {
    const labels = { vm: VM, 'vm#2': VM };
    const other = generateRecords({ ...small, seed: 8, labels });
    for (const force of [false, true]) {
      const { message } = refusal(() => buildComparison(other, { baseline: before, force }));
      assert.match(message, /no target in common .*: bare, docker, bare#2 there, vm, vm#2 here/);
    }
  });

  it('are refused where one is the other', () => {
    const { reasons } = refusal(() => buildComparison(before, { baseline: before }));
    assert.deepEqual(reasons, [
      '36 records are on both sides: the baseline is the same measurement',
    ]);
  });

  it('of unequal length use as many rounds as both have, and say so', () => {
    const shorter = generateRecords({ ...small, seed: 5, rounds: 8 });
    const comparison = buildComparison(shorter, { baseline: before });
    assert.equal(pairOf(comparison, 'start-up', 'docker', 'docker (baseline)').n, 8);
    assert.ok(
      comparison.warnings.includes(
        '8 rounds, and 12 of the baseline: the first 8 of each are used',
      ),
    );
  });

  it('note a target that only one of them has', () => {
    const labels = { bare: BARE, docker: DOCKER, vm: VM, 'bare#2': BARE };
    const wider = generateRecords({ ...small, seed: 9, labels });
    const comparison = buildComparison(wider, { baseline: before });
    assert.ok(comparison.notes.some((note) => /target vm: the baseline has none/.test(note)));
    assert.ok(!comparison.subjects.some(({ label }) => label.startsWith('vm')));
  });
});

describe('loads outside of a bench', () => {
  const rounds = [0, 1, 2, 3, 4, 5];
  const loose = { bare: true, durationMs: 1000, ratePerSecond: 200 };

  it('made in rounds are compared as such, with a warning', () => {
    const records = rounds.flatMap((i) => [
      generateLoad(BARE, { ...loose, index: 2 * i }),
      generateLoad(DOCKER, { ...loose, index: 2 * i + 1, seed: 2 }),
    ]);
    const comparison = buildComparison(records);
    assert.equal(comparison.inference.allowed, true);
    assert.equal(pairOf(comparison, 'latency-median').verdict, 'differs');
    assert.ok(comparison.warnings.some((text) => /outside of a bench/.test(text)));
  });

  it('made one target after the other get no verdict', () => {
    const records = rounds.flatMap((i) => [
      generateLoad(BARE, { ...loose, index: i }),
      generateLoad(DOCKER, { ...loose, index: 10 + i, seed: 2 }),
    ]);
    const comparison = buildComparison(records);
    assert.equal(comparison.inference.allowed, false);
    assert.match(comparison.inference.reason!, /one target after the other/);
    assert.equal(pairOf(comparison, 'latency-p99').verdict, 'no-inference');
  });

  it('keep the direction of their ratios, whichever was made first', () => {
    for (const [first, second] of [
      [VM, DOCKER],
      [DOCKER, VM],
    ] as const) {
      const comparison = buildComparison([
        generateLoad(first, { ...loose, index: 0 }),
        generateLoad(second, { ...loose, index: 1 }),
      ]);
      assert.ok(pairOf(comparison, 'latency-p99', 'vm', 'docker').ratio! > 1);
    }
  });

  it('of one target are compared with each other', () => {
    const comparison = buildComparison([
      generateLoad(DOCKER, { ...loose, index: 0 }),
      generateLoad(DOCKER, { ...loose, index: 1 }),
    ]);
    assert.deepEqual(
      comparison.subjects.map(({ label }) => label),
      ['docker', 'docker (2)'],
    );
    assert.equal(pairOf(comparison, 'latency-p99', 'docker (2)', 'docker').n, 1);
  });

  it('that are void or cut short are refused', () => {
    const void_ = generateLoad(DOCKER, { ...loose, index: 1 });
    void_.generator.clientLimited = true;
    const cut = generateLoad(VM, { ...loose, index: 2 });
    cut.interrupted = true;
    const { reasons } = refusal(() =>
      buildComparison([generateLoad(BARE, { ...loose, index: 0 }), void_, cut]),
    );
    assert.ok(reasons.some((reason) => /generator was the bottleneck/.test(reason)));
    assert.ok(reasons.some((reason) => /interrupted before its planned end/.test(reason)));
  });

  it('are shown one by one without a comparison, whatever their state', () => {
    const cut = generateLoad(DOCKER, loose);
    cut.interrupted = true;
    const comparison = buildComparison([cut]);
    assert.deepEqual(comparison.claims, []);
    assert.equal(comparison.subjects.length, 1);
  });
});

describe('figures that could not be had', () => {
  it('stay unavailable with their reason and are never zero', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        if (trial.label === 'docker') trial.resources = { unavailable: 'no cgroup' };
      },
    });
    const comparison = buildComparison(records);
    const metric = comparison.metrics.find(({ id }) => id === 'cpu-per-1000')!;
    const docker = metric.subjects.find(({ label }) => label === 'docker')!;
    assert.equal(docker.summary, null);
    assert.deepEqual(docker.unavailable, ['no cgroup']);
    assert.equal(metric.pairs[0]!.ratio, null);
    assert.ok(
      comparison.notMeasured.some((line) =>
        /CPU per 1,000 requests;.* \(docker\): no cgroup/.test(line),
      ),
    );
  });

  it('of some rounds leave the others to be compared, and say in how many trials', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        if (trial.label === 'docker' && trial.round <= 2)
          trial.saturation = { unavailable: 'died' };
      },
    });
    const comparison = buildComparison(records);
    assert.equal(pairOf(comparison, 'throughput').n, 10);
    assert.ok(
      comparison.notMeasured.includes('Throughput at saturation (docker, 2 of 12 trials): died'),
      comparison.notMeasured.join('\n'),
    );
  });

  it('are lower bounds where requests went unanswered: no equivalence is drawn from them', () => {
    const labels = { bare: BARE, docker: { ...BARE, target: 'docker' }, 'bare#2': BARE };
    const records = generateRecords({
      ...small,
      noise: 0.002,
      labels,
      edit: (trial) => {
        if (trial.label === 'docker') trial.latency.latencyUs.response.lowerBounds = ['p50', 'p99'];
      },
    });
    const comparison = buildComparison(records);
    const pair = pairOf(comparison, 'latency-median');
    assert.equal(pair.verdict, 'no-inference');
    assert.match(pair.reason!, /only lower bounds/);
    const metric = comparison.metrics.find(({ id }) => id === 'latency-median')!;
    assert.equal(metric.subjects.find(({ label }) => label === 'docker')!.lowerBounds, 12);
  });

  it('are lower bounds where the generator had nothing left at saturation', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        if (trial.label === 'bare') Object.assign(trial.saturation, { limiter: 'generator' });
      },
    });
    const comparison = buildComparison(records);
    const { subjects } = comparison.metrics.find(({ id }) => id === 'throughput')!;
    assert.equal(subjects.find(({ label }) => label === 'bare')!.lowerBounds, 12);
    assert.equal(subjects.find(({ label }) => label === 'docker')!.lowerBounds, 0);
    // bare could have done more still: that docker does less stands
    assert.equal(pairOf(comparison, 'throughput').verdict, 'differs');
  });

  it('may be outliers: flagged, kept, and the ratio without them shown', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        if (trial.label === 'docker' && trial.round === 8) trial.startUp.firstHitMs = 60_000;
      },
    });
    const comparison = buildComparison(records);
    const metric = comparison.metrics.find(({ id }) => id === 'start-up')!;
    assert.deepEqual(metric.subjects.find(({ label }) => label === 'docker')!.outliers, [
      'round 8',
    ]);
    const pair = pairOf(comparison, 'start-up');
    assert.equal(pair.n, 12);
    assert.ok(pair.ratioWithoutOutliers !== null && pair.ratioWithoutOutliers < pair.ratio!);
  });
});

describe('the margin', () => {
  it('is declared as a share and refused otherwise', () => {
    const records = generateRecords({ ...small, rounds: 2 });
    for (const margin of [0, -1, 1, 5, Number.NaN]) {
      assert.throws(
        () => buildComparison(records, { margin }),
        (error) => isScratchpadError(error) && error.code === 'BAD_FLAG',
      );
    }
  });
});

describe('what is not known', () => {
  it('is noted and no reason to refuse', () => {
    const records = generateRecords({
      ...small,
      edit: (trial) => {
        if (trial.label === 'docker') {
          trial.artifact!.runtimeVersion = { unavailable: 'the workload was not asked' };
        }
      },
    });
    const comparison = buildComparison(records);
    assert.equal(comparison.forced, false);
    assert.ok(
      comparison.notes.some((note) =>
        /^not known everywhere: runtime version: .*was not asked/.test(note),
      ),
    );
  });

  it('because a record lacks it is listed as unknown in that record', () => {
    const options = { bare: true, durationMs: 1000, ratePerSecond: 200 };
    const [bare, foreign] = [
      generateLoad(BARE, { ...options, index: 0 }),
      generateLoad({ ...BARE, target: 'url' }, { ...options, index: 1 }),
    ];
    delete foreign.limits;
    foreign.artifact = null;
    foreign.target.runtime = null;
    const { notes, forced } = buildComparison([bare, foreign]);
    assert.equal(forced, false);
    for (const note of [
      /^not known everywhere: limits: 1 CPU, 1 GiB \(bare\), unknown in url \(the record does not say\)$/,
      /^not known everywhere: workload artifact .*unknown in url/,
      /^not known everywhere: runtime version: .*unknown in url/,
      /^not known everywhere: runtime binary .*unknown in url/,
      /^not known everywhere: runtime: node \(bare\), unknown in url/,
    ]) {
      assert.ok(
        notes.some((each) => note.test(each)),
        `${note}\n${notes.join('\n')}`,
      );
    }
    assert.ok(!notes.some((note) => /request plan/.test(note)), 'both have the phase');
  });

  it('in none of the records is said as well: it is no agreement', () => {
    const options = { bare: true, durationMs: 1000, ratePerSecond: 200 };
    const loads = [0, 1].map((index) => generateLoad(DOCKER, { ...options, index }));
    for (const load of loads) delete load.limits;
    const { notes } = buildComparison(loads);
    assert.ok(notes.some((note) => /limits: unknown in docker, docker \(2\)/.test(note)));
  });
});

describe('drift', () => {
  it('inside of the trials is told per target, with its size', () => {
    const records = generateRecords({
      rounds: 3,
      durationMs: 60_000,
      edit: (trial) => {
        if (trial.label !== 'docker') return;
        trial.latency.windows.forEach((window, i) => {
          window.p50Us = Math.round(window.p50Us! * (1 + i / 300));
        });
      },
    });
    const drift = buildComparison(records).warnings.filter((text) => /^drift: median/.test(text));
    assert.ok(
      drift.some((text) => /of docker changes .* in 3 of 3 trials, by up to \+\d+ %/.test(text)),
      drift.join('\n'),
    );
  });
});

describe('planning', () => {
  it('tells what more rounds could see from the scatter of an earlier bench', () => {
    const earlier = buildComparison(generateRecords({ ...small, noise: 0.03 }));
    const effect = (rounds: number) =>
      plannedEffects(earlier, rounds).find(({ metricId }) => metricId === 'start-up')!;
    // two targets of 3 % noise each
    assert.ok(Math.abs(effect(12).logRatioStddev - 0.03 * Math.SQRT2) < 0.02);
    assert.ok(effect(6).detectableRatio > effect(12).detectableRatio);
    assert.ok(effect(24).detectableRatio > 1);
    assert.deepEqual(
      plannedEffects(buildComparison(generateRecords({ ...small, rounds: 1 })), 12),
      [],
    );
  });
});
