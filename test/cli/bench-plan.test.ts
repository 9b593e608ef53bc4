/** A bench as it is declared, from the flags that a user gives. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyCalibration, isCalibrated, newBench } from '../../cli/bench/bench.ts';
import { ceilingsOf, pinningOf, pinningWarnings, unequalWords } from '../../cli/bench/ceilings.ts';
import {
  type BenchPlan,
  controlWords,
  latencyWarmupMs,
  planBench,
  rateFromCapacities,
  withoutTargets,
} from '../../cli/bench/plan.ts';
import { generateBench } from '../report/bench-generator.ts';
import { sandbox } from './run-cli.ts';

describe('bench --plan', () => {
  for (const [args, quick] of [
    [[], false],
    [['--quick'], true],
  ] as const) {
    it(`${['bench', ...args].join(' ')} declares a plan that a bench can be made of`, async (t) => {
      const { run } = sandbox(t);
      const { code, json, stderr } = await run([
        'bench',
        '--plan',
        '--json',
        '--targets',
        'bare',
        ...args,
      ]);
      assert.equal(code, 0, stderr);
      const plan = json<BenchPlan>();
      assert.equal(plan.quick, quick);
      assert.equal(plan.gates.enforced, !quick);
      const bench = newBench({
        id: 'x',
        plan,
        flags: { limits: 'equal', runtime: 'node' },
        ceilings: ceilingsOf(plan.labels, { limits: 'equal', runtime: 'node' }),
        targetsNamed: true,
        artifactSha256: 'a'.repeat(64),
        host: generateBench({ bare: true, rounds: 1, durationMs: 1000 }).bench.host,
        unavailableTargets: [],
        warnings: [],
      });
      assert.equal(bench.quick, quick);
      const loaded = { bench, trials: [] };
      assert.equal(isCalibrated(loaded), false);
      applyCalibration(bench, plan, { ratePerSecond: 10, capacities: { bare: 20 } });
      assert.equal(isCalibrated(loaded), true);
      assert.equal(bench.plan.ratePerSecond, 10);
    });
  }

  it('says what limits it: quick, few rounds, unequal ceilings, the control', async (t) => {
    const { run } = sandbox(t);
    const text = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(['bench', '--plan', '--targets', 'bare', ...args]);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const quick = await text('--quick', '--rounds', '8');
    assert.match(quick, /^quick: no inference$/m);
    assert.doesNotMatch(quick, /would see|what it can see/);
    assert.match(await text('--rounds', '3'), /^no inference: fewer than 6 rounds$/m);
    const whole = await text();
    assert.match(whole, /^A\/A control: bare#2, a second bare$/m);
    assert.doesNotMatch(whole, /no inference|unequal|only a warning/);
    assert.match(await text('--gates', 'warn'), /^a breached gate is only a warning$/m);
    const none = await run(['bench', '--plan', '--targets', ',']);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /names no target/);
  });
});

const REQUEST = {
  rounds: 6,
  durationMs: undefined,
  ratePerSecond: undefined,
  quick: false,
  seed: 1,
  scenario: undefined,
};

describe('the A/A control', () => {
  const labels = (...targets: string[]) => planBench({ ...REQUEST, targets }).labels;

  it('is a second bare, or a second of the first target where bare takes no part', () => {
    assert.deepEqual(labels('docker', 'bare'), ['docker', 'bare', 'bare#2']);
    assert.deepEqual(labels('docker'), ['docker', 'docker#2']);
    assert.deepEqual(labels('vm', 'docker'), ['vm', 'docker', 'vm#2']);
    assert.equal(controlWords(labels('vm')), 'vm#2, a second vm');
  });

  it('is of another target where its own is left out', () => {
    const plan = planBench({ ...REQUEST, targets: ['docker', 'vm'] });
    const { labels: left, schedule } = withoutTargets(plan, ['docker']);
    assert.deepEqual(left, ['vm', 'vm#2']);
    assert.deepEqual([...schedule[0]!].sort(), ['vm', 'vm#2']);
  });
});

describe('the ceilings of a bench', () => {
  const classic = { limits: 'classic', runtime: 'node' } as const;

  it('are told where they are unequal, and nothing is said where they are not', () => {
    assert.equal(
      unequalWords(ceilingsOf(['bare', 'docker', 'vm', 'bare#2'], classic)),
      'bare 1 CPU, 256 MiB; docker 1 CPU, 256 MiB; vm 2 CPUs, 1024 MiB',
    );
    assert.equal(unequalWords(ceilingsOf(['bare', 'docker', 'bare#2'], classic)), null);
    assert.equal(unequalWords(ceilingsOf(['bare', 'vm'], { ...classic, limits: 'equal' })), null);
  });

  it('have CPUs of their own, and a warning names the targets that have too few', () => {
    const one = { generatorCpus: [1], targetCpus: [0] };
    const few = { ...one, warning: 'the target may use 2 CPUs but 1 is left' };
    const pinnings = new Map([
      ['bare', one],
      ['vm', few],
    ]);
    assert.deepEqual(pinningWarnings(pinnings), [`vm: ${few.warning}`]);
    assert.equal(pinningOf(pinnings, 'bare#2'), one);
    assert.equal(pinningOf(pinnings, 'vm@head'), few);
    const shared = new Map([
      ['bare', { ...one, warning: 'one core' }],
      ['vm', { ...one, warning: 'one core' }],
    ]);
    assert.deepEqual(pinningWarnings(shared), ['one core']);
  });
});

describe('the rate of a bench', () => {
  it('is a third of what the slowest carries, in two digits, rounded down', () => {
    assert.equal(rateFromCapacities([1873, 9000]), 620);
    assert.equal(rateFromCapacities([240]), 80);
    assert.equal(rateFromCapacities([0.9]), 1);
    assert.throws(() => rateFromCapacities([100, 0]), RangeError);
  });
});

describe('the warm-up before latency', () => {
  const declared = { warmupMs: 10_000, warmupRequests: 3000 };

  it('lasts until enough requests were asked, at least its time and at most a minute', () => {
    assert.equal(latencyWarmupMs(declared, 100), 30_000);
    assert.equal(latencyWarmupMs(declared, 1000), 10_000);
    assert.equal(latencyWarmupMs(declared, 7), 60_000);
  });

  it('is the time alone where that was asked for', () => {
    assert.equal(latencyWarmupMs({ warmupMs: 2_000, warmupRequests: 0 }, 7), 2_000);
    assert.equal(latencyWarmupMs({ warmupMs: 90_000, warmupRequests: 3000 }, 7), 90_000);
  });
});
