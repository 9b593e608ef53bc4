/** Faults of a bench’s place: its disk fills up, another bench is at work there. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../cli/run-cli.ts';
import { smallDisk } from './disk.ts';
import { fault } from './fault.ts';
import { snapshot } from './kept.ts';
import { until } from './lab.ts';

const BENCH =
  'bench --quick --targets bare --rate 50 --duration 500ms --warmup 200ms --rounds 1'.split(' ');

fault(
  import.meta,
  {
    fault: 'the disk fills up between two trials',
    stage: 'bench',
    exit: 3,
    code: 'DISK_FULL',
    message: 'No space left to write …/trial-…',
    kept: 'rounds',
    left: 'nothing',
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 4);
    lab.results = join(disk.folder, 'results');
    const bench = join(lab.results, 'b');
    const result = await lab.when([...BENCH, '--out', bench], /calibration/, async () => {
      const done = () => readdirSync(bench).some((name) => /^trial-.*json$/.test(name));
      await until('the first trial', done, 60_000);
      disk.fill();
    });
    assert.match(result.stderr, /bench --resume/);
    return { result, kept: { bench } };
  },
);

fault(
  import.meta,
  {
    fault: 'a second bench in the folder of one that runs',
    stage: 'bench: before',
    exit: 3,
    code: 'STATE_LOCKED',
    message: 'Another bench is at work in …/b (pid …)',
    kept: 'nothing',
    left: 'nothing',
  },
  async (lab) => {
    const bench = join(lab.results, 'b');
    const first = lab.start([...BENCH, '--out', bench]);
    await until('the first one', () => readdirOrNone(bench).includes('.bench.lock'));
    const result = await lab.run([...BENCH, '--out', bench]);
    first.child.kill('SIGINT');
    assert.equal((await first.result).code, 130);
    rmSync(bench, { recursive: true }); // the first one's, as declared: nothing of it is this fault's
    return { result };
  },
);

function readdirOrNone(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

fault(
  import.meta,
  {
    fault: 'a new bench in the folder of an earlier one',
    stage: 'bench: before',
    exit: 2,
    code: 'BAD_FLAG',
    message: 'There is a bench in …/b already',
    kept: 'untouched',
    left: 'nothing',
  },
  async (lab) => {
    const bench = join(lab.results, 'b');
    cpSync(join(root, 'fixtures/records/simulated-bench'), bench, { recursive: true });
    const before = snapshot(bench);
    return { result: await lab.run([...BENCH, '--out', bench]), kept: { before } };
  },
);

fault(
  import.meta,
  {
    fault: 'the results folder is read-only',
    stage: 'bench: before',
    exit: 3,
    code: 'OUTPUT_UNWRITABLE',
    message: 'Cannot make the folder …/results/bench-…',
    kept: 'nothing',
    left: 'nothing',
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 1);
    lab.results = join(disk.folder, 'results');
    mkdirSync(lab.results);
    disk.lock();
    const env = { SCRATCHPAD_RESULTS_DIR: lab.results };
    return { result: await lab.run(BENCH, { env }) };
  },
);
