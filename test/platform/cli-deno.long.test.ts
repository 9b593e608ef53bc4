/** The harness itself on Deno: `deno run -A cli/bin/run.js …`, the built CLI, nothing of Node's. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { readBench } from '../../cli/bench/folder.ts';
import { loadRecordSchema } from '../../cli/record/schema.ts';
import { root, sandbox } from '../cli/run-cli.ts';
import { runtimeBinary } from '../contract/server.ts';

const deno = runtimeBinary('deno');
const ON_DENO = [deno.path, 'run', '--allow-all', '--no-lock'];
const QUIET = { DENO_NO_UPDATE_CHECK: '1' };

/** A load on a busy host may be void; that it says so by exit code and record is the contract. */
function codeOf(record: { generator: { clientLimited: boolean } }): number {
  return record.generator.clientLimited ? 4 : 0;
}

describe('the harness on Deno', { skip: deno.skip }, () => {
  it('helps', async (t) => {
    const { run } = sandbox(t, ON_DENO);
    const help = await run(['--help'], { env: QUIET });
    assert.equal(help.stdout, readFileSync(join(root, 'dist/cli/help.txt'), 'utf8'));
    const bench = await run(['bench', '--help'], { env: QUIET });
    assert.deepEqual([bench.code, bench.stderr], [0, '']);
    assert.match(bench.stdout, /--rounds=/);
    const wrong = await run(['bench', '--round'], { env: QUIET });
    assert.equal(wrong.code, 2);
  });

  it('probes, loads and compares by itself; its records are the same', async (t) => {
    const box = sandbox(t, ON_DENO);
    const probe = await box.run(['probe', 'bare', '--trials', '2', '--json'], { env: QUIET });
    assert.equal(probe.code, 0, probe.stderr);
    const warnings = JSON.stringify(probe.json()['warnings']);
    assert.ok(process.getuid?.() !== 0 || !/limits not applied/.test(warnings), warnings);

    const says = ['eval', 'console.log(process.version)'];
    const version = (await promisify(execFile)(deno.path, says)).stdout.trim();
    assert.notEqual(version, process.version);
    const files = ['one.json', 'two.json'].map((name) => join(box.folder, name));
    for (const out of files) {
      const args = ['load', 'bare', '--duration', '1', '--rate', '40', '--json', '--out', out];
      const load = await box.run(args, { env: QUIET });
      const record = loadRecordSchema.parse(load.json());
      assert.equal(load.code, codeOf(record), load.stderr);
      assert.deepEqual(
        [record.counts.planned, record.counts.answered, record.counts.failed],
        [40, 40, 0],
      );
      assert.equal(record.target.runtime, 'node');
      // Deno's own words: the program was not handed over to the pinned Node
      const { node } = record.host as unknown as { node: { version: string } };
      assert.equal(`v${node.version}`, version);
    }
    const compare = await box.run(['compare', ...files, '--format', 'json', '--force'], {
      env: QUIET,
    });
    assert.equal(compare.code, 0, compare.stderr);
    assert.deepEqual((await box.run(['status', '--json'], { env: QUIET })).json(), {
      deployments: [],
      unreadable: [],
    });
  });

  it('benches bare in rounds', async (t) => {
    const box = sandbox(t, ON_DENO);
    const out = join(box.folder, 'b');
    const short = ['--quick', '--duration=500ms', '--warmup=200ms', '--rate=50', '--rounds=2'];
    const result = await box.run(['bench', '--targets=bare', ...short, '--json', '--out', out], {
      env: QUIET,
    });
    assert.equal(result.code, 0, result.stderr);
    const { bench, trials } = readBench(out);
    assert.deepEqual([bench.roundsDone, bench.interrupted, trials.length], [2, false, 4]);
    for (const trial of trials) assert.equal(trial.latency.counts.failed, 0);
  });

  it('has one clock in all threads, whenever they were started', async (t) => {
    const { folder } = sandbox(t, ON_DENO);
    const clock = JSON.stringify(new URL('../../cli/load/clock.ts', import.meta.url).href);
    const file = join(folder, 'clock.mjs');
    writeFileSync(
      file,
      `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
       import { nowUs } from ${clock};
       if (!isMainThread) {
         parentPort.on('message', () => parentPort.postMessage(nowUs()));
       } else {
         await new Promise((resolve) => setTimeout(resolve, 500));
         const worker = new Worker(new URL(import.meta.url));
         await new Promise((resolve) => worker.on('online', resolve));
         const before = nowUs();
         worker.on('message', (inside) => {
           console.log(JSON.stringify([before, inside, nowUs()]));
           process.exit();
         });
         worker.postMessage('go');
       }`,
    );
    const { stdout } = await promisify(execFile)(deno.path, [...ON_DENO.slice(1), file]);
    const [before, inside, after] = JSON.parse(stdout) as [number, number, number];
    // origins are rounded to the microsecond, of a number with 16 digits
    assert.ok(before - 10 <= inside && inside <= after + 10, stdout);
  });
});
