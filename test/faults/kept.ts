/** What is kept of a measurement that a fault cut short, by kind, each with its check. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBench } from '../../cli/bench/folder.ts';
import type { LoadRecord } from '../../cli/record/schema.ts';
import { parseRecord, readRecord } from '../../cli/record/store.ts';
import type { FaultLab } from './lab.ts';

/** Where it is, where that is not the results folder. */
export interface Kept {
  /** A record's file. */
  record?: string | undefined;
  /** A record that was printed. */
  printed?: string;
  /** A bench's folder. */
  bench?: string;
  /** Files by path, as they were before the fault. */
  before?: ReadonlyMap<string, string>;
  /** Held against the load record that was kept. */
  check?: (record: LoadRecord) => void;
}

/** In the words of the table. */
export const KEPT = {
  nothing: 'nothing was measured',
  record: 'the whole record',
  partial: 'the record so far, marked interrupted',
  failures: 'the record, with the failures in it by type',
  rescued: 'the whole record, in the temporary folder',
  printed: 'the whole record, printed on stderr',
  rounds: 'every finished trial; `bench --resume` goes on',
  declared: 'the bench as declared; `bench --resume` calibrates it anew',
  untouched: 'every file that was there, unchanged',
} as const;

const filesIn = (folder: string) =>
  existsSync(folder)
    ? (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\.json$/.test(name))
    : [];

export async function assertKept(
  kind: keyof typeof KEPT,
  { results }: FaultLab,
  { record, printed, bench, before, check }: Kept,
): Promise<void> {
  if (kind === 'nothing') return assert.deepEqual(filesIn(results), []);
  if (kind === 'untouched') {
    assert.ok(before !== undefined && before.size > 0, 'the files to compare with');
    for (const [file, text] of before) assert.equal(readFileSync(file, 'utf8'), text, file);
    return;
  }
  if (kind === 'rounds') {
    const { bench: head, trials } = readBench(bench!);
    assert.ok(trials.length > 0, 'at least one trial');
    assert.ok(head.roundsDone < head.roundsPlanned, 'it is not finished');
    return;
  }
  if (kind === 'declared') {
    const { bench: head, trials } = readBench(bench!);
    assert.deepEqual([trials.length, head.roundsDone, head.interrupted], [0, 0, true]);
    assert.equal(head.plan['capacities'], undefined, 'it is not calibrated');
    return;
  }
  const load =
    kind === 'printed' ? parseRecord(JSON.parse(printed!), 'stderr') : only(results, record);
  if (load.kind === 'probe') {
    assert.equal(load['interrupted'], kind === 'partial');
    assert.ok(load.trials.length > 0);
    return;
  }
  assert.ok(load.kind === 'load', load.kind);
  assert.equal(load.interrupted, kind === 'partial');
  const { counts, errors } = load;
  assert.equal(counts.planned, counts.sent + counts.unsent);
  assert.equal(counts.sent, counts.answered + counts.failed + counts.open);
  if (kind === 'failures') {
    assert.ok(counts.failed > 0, JSON.stringify(counts));
    assert.equal(
      Object.values(errors).reduce((sum, count) => sum + count, 0),
      counts.failed,
      JSON.stringify(errors),
    );
  }
  check?.(load);
}

function only(results: string, record: string | undefined) {
  if (record !== undefined) return readRecord(record);
  const files = filesIn(results);
  assert.equal(files.length, 1, files.join());
  return readRecord(join(results, files[0]!));
}

/** Every file of a folder, for `untouched`. */
export function snapshot(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    files.map(({ parentPath, name }) => {
      const file = join(parentPath, name);
      return [file, readFileSync(file, 'utf8')];
    }),
  );
}
