/** A kept bench: its records are compressed, and everything that takes a record or a bench reads them. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { benchFolder, isKeptBench, readBench } from '../../cli/bench/folder.ts';
import { isScratchpadError } from '../../cli/errors.ts';
import { listRecordFiles, readRecord, writeRecord } from '../../cli/record/store.ts';
import { runCompare } from '../../cli/report/command.ts';
import { runReport } from '../../cli/report/write-report.ts';
import { type Sandbox, sandbox } from '../cli/run-cli.ts';
import { generateBench } from '../report/bench-generator.ts';

let folder: string;
let plain: string;
let kept: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'scratchpad-kept-'));
  plain = join(folder, 'plain');
  kept = join(folder, 'kept');
  mkdirSync(plain);
  mkdirSync(kept);
  const { bench, trials } = generateBench({ bare: true, rounds: 6, durationMs: 5000 });
  for (const [name, record] of [
    ['bench.json', bench] as const,
    ...trials.map((trial, i) => [bench.trials[i]!, trial] as const),
  ]) {
    writeRecord(join(plain, name), record);
    writeFileSync(join(kept, `${name}.gz`), gzipSync(readFileSync(join(plain, name))));
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

const stdout = { isTTY: false, columns: 100 };
const flags = { format: 'json', margin: '0.05', force: false } as const;

function errorOf(body: () => unknown) {
  try {
    body();
  } catch (error) {
    assert.ok(isScratchpadError(error), String(error));
    return error;
  }
  assert.fail('no error');
}

describe('compressed records', () => {
  it('are read as the plain ones are, by folder, bench.json.gz, bench.json and by trial', () => {
    const expected = readBench(plain);
    for (const path of [kept, join(kept, 'bench.json.gz'), join(kept, 'bench.json')]) {
      assert.deepEqual(readBench(path), expected, path);
      assert.equal(benchFolder(path), kept);
      assert.equal(isKeptBench(path), true, path);
    }
    assert.equal(isKeptBench(plain), false);
    const [name] = expected.bench.trials;
    assert.deepEqual(readRecord(join(kept, `${name}.gz`)), expected.trials[0]);
  });

  it('give the same comparison and a report that links to the compressed files', async () => {
    const compare = async (path: string) =>
      (await runCompare({ files: [path], flags, stdout })).text;
    assert.equal(await compare(kept), await compare(plain));
    const { report, index } = await runReport({ bench: kept });
    assert.equal(report, join(kept, 'report.html'));
    const links = [...readFileSync(report, 'utf8').matchAll(/href="(\.\/[^"]*\.json[^"]*)"/g)].map(
      (match) => decodeURIComponent(match[1]!),
    );
    assert.ok(links.length > 0);
    for (const link of links) assert.ok(existsSync(join(kept, link)), `${link} leads nowhere`);
    assert.match(readFileSync(index, 'utf8'), /href="\.\/kept\/report\.html"/);
  });

  it('are listed with the others', () => {
    const listed = listRecordFiles(folder);
    assert.ok(listed.includes(join(kept, 'bench.json.gz')));
    assert.ok(listed.includes(join(plain, 'bench.json')));
  });

  it('are refused where they are cut off, are no record, or unpack to something endless', () => {
    const file = join(folder, 'broken.json.gz');
    const whole = readFileSync(join(kept, 'bench.json.gz'));
    writeFileSync(file, whole.subarray(0, whole.length - 20));
    assert.equal(errorOf(() => readRecord(file)).code, 'RECORD_UNREADABLE');
    writeFileSync(file, gzipSync('{"kind":"load"}'));
    assert.equal(errorOf(() => readRecord(file)).code, 'RECORD_FOREIGN');
    writeFileSync(file, gzipSync(Buffer.alloc(300 * 1024 * 1024)));
    assert.equal(errorOf(() => readRecord(file)).code, 'RECORD_UNREADABLE');
    rmSync(file);
    assert.equal(errorOf(() => readRecord(file)).code, 'RECORD_NOT_FOUND');
  });

  it('are not added to: bench --resume says that the bench is kept', async (t) => {
    const { run }: Sandbox = sandbox(t);
    for (const path of [kept, join(kept, 'bench.json.gz')]) {
      const { code, stderr } = await run(['bench', '--resume', path]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /BAD_FLAG/);
      assert.match(stderr, /That bench is kept: its records are compressed/);
    }
  });
});
