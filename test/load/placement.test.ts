import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { allowedCpus } from '../../cli/host/pinning.ts';
import { placeThreads, shareWarnings, spinShare, spread } from '../../cli/load/placement.ts';
import type { PlanInput } from '../../cli/load/plan.ts';

const PLAN = {
  loop: 'open',
  ratePerSecond: 100,
  arrival: 'constant',
  durationMs: 1000,
  warmupMs: 0,
  connections: 64,
  seed: 1,
} as PlanInput;

describe('the share of time that a generator waits awake', () => {
  it('is 2.2 ms for each request of a worker, and never more than all', () => {
    assert.equal(spinShare(PLAN, 1), 0.22);
    assert.equal(spinShare(PLAN, 2), 0.11);
    assert.equal(spinShare({ ...PLAN, ratePerSecond: 10_000 }, 1), 1);
  });

  it('goes by the highest rate of all stages', () => {
    const stages = [
      { durationMs: 500, fromRate: 10, toRate: 200 },
      { durationMs: 500, fromRate: 200, toRate: 20 },
    ];
    assert.equal(spinShare({ ...PLAN, stages }, 1), 0.44);
  });

  it('is all in a closed loop', () => {
    assert.equal(spinShare({ ...PLAN, loop: 'closed', ratePerSecond: null }, 1), 1);
  });
});

describe('the place of threads', () => {
  it('is left alone without a CPU of their own', async () => {
    assert.deepEqual(await placeThreads([1], null, PLAN), { warnings: [], realTime: false });
  });

  it('that is not known is a warning, and never real time', async () => {
    const { warnings, realTime } = await placeThreads([null], 0, PLAN);
    assert.equal(realTime, false);
    assert.match(warnings.join(), /could not be pinned to CPU 0: .*thread id is not known/);
  });

  it('is a CPU for each worker, and where they must share one a warning', () => {
    assert.deepEqual(spread(2, [2, 3]), [2, 3]);
    assert.deepEqual(shareWarnings([2, 3]), []);
    assert.deepEqual(spread(3, [2, 3]), [2, 3, 2]);
    assert.match(shareWarnings([2, 3, 2]).join(), /^3 workers share CPU 2, 3: /);
    assert.match(shareWarnings(spread(2, [1])).join(), /^2 workers share CPU 1: /);
  });

  it('is where the kernel says that they are', { skip: process.platform !== 'linux' }, async () => {
    const child = spawn('sleep', ['30']);
    const cpu = allowedCpus()?.at(-1) ?? 0;
    try {
      const { cpus, warnings } = await placeThreads([child.pid!, child.pid!], cpu, PLAN);
      assert.deepEqual(cpus, [cpu, cpu]);
      assert.match(warnings.join(), /2 workers share CPU/);
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      assert.equal(/^Cpus_allowed_list:\s*(.+)$/m.exec(status)![1], String(cpu));
    } finally {
      child.kill('SIGKILL');
    }
  });
});
