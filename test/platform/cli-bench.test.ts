/** `bench` end to end on bare: the declared schedule, the files, interruption and resumption. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readBench } from '../../cli/bench/folder.ts';
import { type BenchRecord, benchRecordSchema, type TrialRecord } from '../../cli/record/schema.ts';
import { readRecord } from '../../cli/record/store.ts';
import { matching, type Sandbox, sandbox } from '../cli/run-cli.ts';

/** Short, and at a rate that a busy host can carry. */
const SHORT = [
  '--quick',
  '--targets=bare',
  '--duration=500ms',
  '--warmup=200ms',
  '--rate=50',
  '--json',
];

async function nothingDeployed({ run }: Sandbox): Promise<void> {
  assert.deepEqual((await run(['status', '--json'])).json(), { deployments: [], unreadable: [] });
}

function whenFileCount(folder: string, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const timer = setInterval(() => {
      const trials = readdirSync(folder, { recursive: true }).filter((name) =>
        /trial-[^/]*\.json$/.test(String(name)),
      );
      if (trials.length >= count || Date.now() - started > 60_000) {
        clearInterval(timer);
        if (trials.length >= count) resolve();
        else reject(new Error(`only ${trials.length} trials after 60 s`));
      }
    }, 20);
  });
}

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

  for (const [signal, name, rounds] of [
    ['SIGINT', 'Ctrl-C', 2],
    ['SIGKILL', 'a crash', 1],
  ] as const) {
    it(`goes on after ${name}: finished rounds count, the one that was cut off does not`, async (t) => {
      const box = sandbox(t);
      const out = join(box.folder, 'b');
      const { child, result } = box.start([
        'bench',
        ...SHORT,
        '--rounds',
        String(rounds),
        '--out',
        out,
      ]);
      await new Promise<void>((resolve) => child.stderr!.once('data', () => resolve()));
      await whenFileCount(box.folder, 2 * rounds - 1);
      // a crash in the next trial, whose deployment it leaves running
      if (signal === 'SIGKILL') await matching(child, /: 50 requests\/s/);
      child.kill(signal);
      const first = await result;
      if (signal === 'SIGINT') {
        assert.equal(first.code, 130, first.stderr);
        await nothingDeployed(box);
      }
      assert.equal(readBench(out).bench.roundsDone, rounds - 1);
      const before = new Map(
        readdirSync(out)
          .filter((name) => name.startsWith('trial-'))
          .map((name) => [name, (readRecord(join(out, name)) as TrialRecord).id]),
      );

      const resumed = await box.run(['bench', '--resume', out, '--json']);
      assert.equal(resumed.code, 0, resumed.stderr);
      for (const [name, id] of before) {
        assert.equal(readRecord(join(out, name)).id, id, `${name} is what it was`);
      }
      // what the crash left running is removed before anything is measured
      if (signal === 'SIGKILL') assert.match(resumed.stderr, /^removing bare .* left it$/m);
      await nothingDeployed(box);
      const { bench, trials } = readBench(out);
      assert.equal(bench.roundsDone, rounds);
      assert.equal(bench.interrupted, false);
      assert.equal(bench.voidedRounds.length, 1);
      assert.equal(trials.filter(({ voided }) => voided === null).length, 2 * rounds);
      assert.ok(
        trials.some(({ voided }) => voided !== null),
        'the trial that was cut off is kept',
      );

      const again = await box.run(['bench', '--resume', out, '--json']);
      assert.equal(again.code, 2);
    });
  }

  it('goes on after an interrupted calibration, with the workload that was declared', async (t) => {
    const box = sandbox(t);
    const out = join(box.folder, 'b');
    const { child, result } = box.start(['bench', ...SHORT, '--rounds', '1', '--out', out]);
    await matching(child, /calibration/);
    child.kill('SIGINT');
    const first = await result;
    assert.equal(first.code, 130, first.stderr);
    assert.match(first.json<{ error: { hint: string } }>().error.hint, /bench --resume/);
    await nothingDeployed(box);
    const { bench: declared, trials } = readBench(out);
    assert.deepEqual([trials.length, declared.interrupted], [0, true]);

    const file = join(out, 'bench.json');
    const text = readFileSync(file, 'utf8');
    const sha256 = declared.plan['artifactSha256'] as string;
    assert.match(sha256, /^[0-9a-f]{64}$/);
    writeFileSync(file, text.replace(sha256, 'f'.repeat(64)));
    const other = await box.run(['bench', '--resume', out, '--json']);
    assert.equal(other.code, 2, other.stderr);
    const { error } = other.json<{ error: { code: string; message: string } }>();
    assert.equal(error.code, 'RECORDS_NOT_COMPARABLE');
    assert.match(error.message, /^Not resumed: the workload/);
    writeFileSync(file, text);

    const resumed = await box.run(['bench', '--resume', out, '--json']);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /calibration was not finished/);
    const { bench } = readBench(out);
    assert.deepEqual([bench.roundsDone, bench.interrupted], [1, false]);
    assert.ok((bench.plan['capacities'] as Record<string, number>)['bare']! > 0);
    await nothingDeployed(box);
  });

  it('gives up after the declared number of voided rounds, and keeps them', async (t) => {
    const box = sandbox(t);
    const out = join(box.folder, 'b');
    // No generator asks 400,000 times a second on one CPU: client-limited, however fast the host is.
    const flags = ['--rounds', '1', '--duration', '1', '--warmup', '0.2', '--settle', '0'];
    const args = ['bench', '--targets', 'bare', '--rate', '400000', ...flags, '--out', out];
    const { code, stdout, stderr } = await box.run(args);
    assert.equal(code, 4, stderr);
    assert.match(stderr, /GATE_FAILED/);
    assert.match(stderr, /client-limited/);
    assert.match(stderr, /bench --resume/);
    assert.match(stdout, /no round was finished/);
    const { bench, trials } = readBench(out);
    assert.equal(bench.roundsDone, 0);
    assert.equal(bench.interrupted, false);
    assert.equal(bench.voidedRounds.length, 3);
    assert.equal(trials.length, 3, 'a round ends at the trial that voids it');
    assert.ok(trials.every(({ voided }) => voided !== null));
    await nothingDeployed(box);
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
