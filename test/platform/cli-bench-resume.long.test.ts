/** `bench` that is interrupted, crashes or is voided: what is kept, and how it goes on. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readBench } from '../../cli/bench/folder.ts';
import type { TrialRecord } from '../../cli/record/schema.ts';
import { readRecord } from '../../cli/record/store.ts';
import { matching, sandbox } from '../cli/run-cli.ts';
import { nothingDeployed, SHORT } from './bench-harness.ts';

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

describe('bench that does not get to its end', () => {
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
});
