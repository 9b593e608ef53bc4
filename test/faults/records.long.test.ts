/** Faults of `compare` and `report`: records that are not what they should be, places that are full. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, root } from '../cli/run-cli.ts';
import { smallDisk } from './disk.ts';
import { type Fault, fault } from './fault.ts';
import { snapshot } from './kept.ts';
import { type FaultLab, until } from './lab.ts';

/** A copy of the sample bench: its folder and its trials' files. */
function benchIn({ folder }: Pick<FaultLab, 'folder'>, name = 'bench') {
  const bench = join(folder, name);
  cpSync(join(root, 'fixtures/records/simulated-bench'), bench, { recursive: true });
  const trials = readdirSync(bench)
    .filter((file) => file.startsWith('trial-'))
    .sort()
    .map((file) => join(bench, file));
  return { bench, trials };
}

const SEEN = { exit: 2, kept: 'untouched', left: 'nothing' } as const;

/** `compare` refuses a copy of the sample bench after `damage`; `also`: files in it that are named beside it. */
function damaged(
  row: Pick<Fault, 'fault' | 'code' | 'message'>,
  damage: (copy: ReturnType<typeof benchIn>) => void,
  also: string[] = [],
): void {
  fault(import.meta, { stage: 'compare', ...SEEN, ...row }, async (lab) => {
    const copy = benchIn(lab);
    damage(copy);
    const before = snapshot(copy.bench);
    const args = ['compare', copy.bench, ...also.map((name) => join(copy.bench, name))];
    return { result: await lab.run(args), kept: { before } };
  });
}

interface Json {
  schemaVersion: number;
  benchId: string;
  latency: { requestsPerSecond: number | string };
}

function changeJson(file: string, change: (record: Json) => void): void {
  const record = JSON.parse(readFileSync(file, 'utf8')) as Json;
  change(record);
  writeFileSync(file, JSON.stringify(record));
}

damaged(
  {
    fault: 'a trial’s file was cut off by a crash of the machine',
    code: 'RECORD_UNREADABLE',
    message: '…/trial-… is not JSON',
  },
  ({ trials }) => writeFileSync(trials[1]!, readFileSync(trials[1]!, 'utf8').slice(0, -500)),
);

damaged(
  {
    fault: 'bench.json is empty',
    code: 'RECORD_UNREADABLE',
    message: '…/bench.json is not JSON',
  },
  ({ bench }) => writeFileSync(join(bench, 'bench.json'), ''),
);

damaged(
  {
    fault: 'a record of a later scratchpad',
    code: 'RECORD_FOREIGN',
    message: '…/bench.json has schema version 2, and this scratchpad reads version 1',
  },
  ({ bench }) =>
    changeJson(join(bench, 'bench.json'), (record) => {
      record.schemaVersion = 2;
    }),
);

damaged(
  {
    fault: 'a file of another program among the records',
    code: 'RECORD_FOREIGN',
    message: '…/other.json is not a scratchpad record',
  },
  ({ bench }) =>
    writeFileSync(join(bench, 'other.json'), '{"name":"autocannon","requests":{"average":1}}'),
  ['other.json'],
);

damaged(
  {
    fault: 'a figure in a record was changed to text by hand',
    code: 'RECORD_FOREIGN',
    message: '…/trial-… does not fit the record’s schema',
  },
  ({ trials }) =>
    changeJson(trials[0]!, (record) => {
      record.latency.requestsPerSecond = 'fast';
    }),
);

damaged(
  {
    fault: 'a trial of the bench was deleted',
    code: 'RECORD_NOT_FOUND',
    message: 'There is no record …/trial-…',
  },
  ({ trials }) => rmSync(trials[2]!),
);

damaged(
  {
    fault: 'trials of two benches lie in one folder',
    code: 'RECORDS_NOT_COMPARABLE',
    message: 'These trials belong to 2 benches: …',
  },
  ({ trials }) =>
    changeJson(trials[0]!, (record) => {
      record.benchId = 'another';
    }),
);

fault(
  import.meta,
  {
    fault: 'the files of a bench’s trials are shuffled',
    stage: 'compare',
    exit: 0,
    code: null,
    message: null,
    kept: 'untouched',
    left: 'nothing',
  },
  async (lab) => {
    const { bench, trials } = benchIn(lab);
    const inOrder = await lab.run(['compare', bench, '--format', 'json']);
    const texts = trials.map((file) => readFileSync(file, 'utf8'));
    trials.forEach((file, i) => {
      writeFileSync(file, texts[(i + 2) % texts.length]!);
    });
    const before = snapshot(bench);
    const result = await lab.run(['compare', bench, '--format', 'json']);
    assert.deepEqual(result.json(), inOrder.json(), 'a trial says itself where it belongs');
    return { result, kept: { before } };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk is full',
    stage: 'compare --out',
    exit: 3,
    code: 'DISK_FULL',
    message: 'No space left to write …/page.html',
    kept: 'untouched',
    left: 'nothing',
    needs: ['disk'],
  },
  async (lab) => {
    const { bench } = benchIn(lab);
    const disk = smallDisk(lab.t, 1);
    const page = join(disk.folder, 'page.html');
    writeFileSync(page, 'the page of before');
    disk.fill();
    const before = new Map([...snapshot(bench), [page, 'the page of before']]);
    const result = await lab.run(['compare', bench, '--format', 'html', '--out', page]);
    assert.deepEqual(readdirSync(disk.folder).sort(), ['filler', 'page.html']);
    return { result, kept: { before } };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk fills up under the report',
    stage: 'report',
    exit: 3,
    code: 'DISK_FULL',
    message: 'No space left to write …/report.html',
    kept: 'untouched',
    left: 'nothing',
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 16);
    const { bench } = benchIn({ folder: disk.folder });
    const before = snapshot(bench);
    disk.fill();
    const result = await lab.run(['report', bench]);
    assert.deepEqual(
      readdirSync(bench).filter((name) => name.includes('report')),
      [],
      'no half report',
    );
    return { result, kept: { before } };
  },
);

fault(
  import.meta,
  {
    fault: 'the bench’s folder is read-only',
    stage: 'report',
    exit: 3,
    code: 'OUTPUT_UNWRITABLE',
    message: 'Cannot write …/report.html',
    kept: 'untouched',
    left: 'nothing',
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 16);
    const { bench } = benchIn({ folder: disk.folder });
    disk.lock();
    const before = snapshot(bench);
    return { result: await lab.run(['report', bench]), kept: { before } };
  },
);

fault(
  import.meta,
  {
    fault: 'SIGKILL while the report is written',
    stage: 'report',
    exit: 'SIGKILL',
    code: null,
    message: null,
    kept: 'untouched',
    left: 'nothing',
  },
  async (lab) => {
    const { bench } = benchIn(lab);
    const before = snapshot(bench);
    const known = readdirSync(bench).length;
    const { child, result } = lab.start(['report', bench]);
    await until('the first file of the report', () => readdirSync(bench).length > known);
    child.kill('SIGKILL');
    const ended = await result;
    for (const name of readdirSync(bench).filter((each) => /^report\.html$/.test(each))) {
      assert.match(readFileSync(join(bench, name), 'utf8'), /<\/html>\s*$/, 'whole or not there');
    }
    const again = await lab.run(['report', bench]);
    assert.equal(again.code, 0, again.stderr);
    return { result: ended, kept: { before } };
  },
);

fault(
  import.meta,
  {
    fault: 'the reader of stdout has gone (`| head -1`)',
    stage: 'compare',
    exit: 0,
    code: null,
    message: null,
    kept: 'untouched',
    left: 'nothing',
  },
  async (lab) => {
    const { bench } = benchIn(lab);
    const before = snapshot(bench);
    const child = spawn(process.execPath, [bin, 'compare', bench, '--format', 'html'], {
      env: lab.env,
      cwd: lab.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.on('close', (...end) => resolve(end));
    });
    assert.equal(stderr, '');
    return {
      result: { code, signal, stdout: '', stderr, json: () => assert.fail('no output') },
      kept: { before },
    };
  },
);

fault(
  import.meta,
  {
    fault: 'there is no record yet',
    stage: 'compare',
    exit: 2,
    code: 'RECORD_NOT_FOUND',
    message: 'There are no records in …/results',
    kept: 'nothing',
    left: 'nothing',
  },
  async (lab) => {
    mkdirSync(lab.results);
    return { result: await lab.run(['compare']) };
  },
);
