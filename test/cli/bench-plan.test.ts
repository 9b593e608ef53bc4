/** A bench as it is declared, from the flags that a user gives. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newBench } from '../../cli/bench/bench.ts';
import { type BenchPlan, latencyWarmupMs, rateFromCapacities } from '../../cli/bench/plan.ts';
import { limitsFor } from '../../cli/targets/options.ts';
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
        ratePerSecond: 10,
        capacities: { bare: 20 },
        flags: { limits: 'equal', runtime: 'node' },
        limits: limitsFor('bare', {}),
        host: generateBench({ bare: true, rounds: 1, durationMs: 1000 }).bench.host,
        unavailableTargets: [],
        generatorFloor: null,
        warnings: [],
      });
      assert.equal(bench.quick, quick);
    });
  }
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
