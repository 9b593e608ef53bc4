/** `bench` end to end on bare. Interrupted and voided ones: cli-bench-resume.long.test.ts. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readBench } from '../../cli/bench/folder.ts';
import { type BenchRecord, benchRecordSchema } from '../../cli/record/schema.ts';
import { sandbox } from '../cli/run-cli.ts';
import { nothingDeployed, SHORT } from './bench-harness.ts';

describe('bench', () => {
  it('runs each round in the declared order, with the control, and compares', async (t) => {
    const box = sandbox(t);
    const out = join(box.folder, 'b');
    const result = await box.run(['bench', ...SHORT, '--rounds', '2', '--out', out]);
    assert.equal(result.code, 0, result.stderr);
    const { bench, trials } = readBench(out);
    assert.deepEqual(benchRecordSchema.parse(result.json()).id, bench.id);
    assert.equal(bench.roundsDone, 2);
    assert.equal(bench.interrupted, false);
    assert.deepEqual(
      [1, 2].map((round) =>
        trials.filter((each) => each.round === round).map((each) => each.label),
      ),
      bench.schedule,
    );
    assert.deepEqual([...bench.targets].sort(), ['bare', 'bare#2']);
    const hashes = new Set(trials.map(({ artifact }) => JSON.stringify(artifact)));
    assert.equal(hashes.size, 1, 'every trial ran the same artifact, verified inside');
    assert.equal(new Set(trials.map(({ latency }) => latency.plan.sha256)).size, 1, 'one plan');
    for (const trial of trials) {
      const { reconciliation } = trial as unknown as {
        reconciliation: Record<string, { difference: number }>;
      };
      assert.equal(reconciliation['latency']?.difference, 0);
    }
    const text = await box.run(['compare', out]);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /no inference/i);
    await nothingDeployed(box);

    writeFileSync(join(out, bench.trials[0]!), '{"schemaVersion":1');
    const broken = await box.run(['compare', out, '--json']);
    assert.equal(broken.code, 2);
    assert.equal(broken.json<{ error: { code: string } }>().error.code, 'RECORD_UNREADABLE');
  });

  it('the same seed gives the same order, another seed another', async (t) => {
    const { run } = sandbox(t);
    const order = async (seed: string) =>
      (
        await run(['bench', '--plan', '--targets', 'bare', '--seed', seed, '--json'])
      ).json<BenchRecord>().schedule;
    assert.deepEqual(await order('7'), await order('7'));
    assert.notDeepEqual(await order('7'), await order('8'));
  });

  it('does without an engine: it says so and measures the rest', async (t) => {
    const box = sandbox(t);
    const result = await box.run(['bench', '--quick', '--plan', '--json'], {
      env: { DOCKER_HOST: 'tcp://127.0.0.1:1' },
    });
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /cannot measure docker/);
    assert.ok(!result.json<{ labels: string[] }>().labels.includes('docker'));
    const named = await box.run(['bench', '--targets', 'docker', '--json'], {
      env: { DOCKER_HOST: 'tcp://127.0.0.1:1' },
    });
    assert.equal(named.code, 3);
  });
});
