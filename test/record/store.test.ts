import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isScratchpadError } from '../../cli/errors.ts';
import {
  listRecordFiles,
  newRecordId,
  parseRecord,
  readRecord,
  reserve,
  writeRecord,
} from '../../cli/record/store.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'scratchpad-store-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Writes until the disk is full. */
function fill(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (let i = 0; i < 10_000; i++) writeSync(descriptor, Buffer.alloc(4096));
    assert.fail('the disk never filled up');
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  } finally {
    closeSync(descriptor);
  }
}

function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    assert.ok(isScratchpadError(error), String(error));
    assert.ok(error.hint, `${error.code} has no hint`);
    return error.code;
  }
  return 'no error';
}

describe('record store', () => {
  it('names records so that they sort by time', () => {
    const early = newRecordId(new Date('2026-01-02T03:04:05.678Z'));
    assert.match(early, /^20260102T030405Z-[0-9a-f]{4}$/);
    assert.ok(early < newRecordId(new Date('2026-01-02T03:04:06Z')));
  });

  it('keeps space for a record before the measurement, and leaves only the record', () => {
    const file = join(folder, 'reserved', 'load.json');
    const reservation = reserve(file);
    assert.equal(existsSync(file), false, 'no half-written record is visible');
    assert.equal(reservation.commit({ a: 1 }), file);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { a: 1 });
    assert.deepEqual(readdirSync(join(folder, 'reserved')), ['load.json']);
  });

  it('leaves nothing where the measurement failed', () => {
    const reservation = reserve(join(folder, 'released', 'load.json'));
    reservation.release();
    assert.deepEqual(readdirSync(join(folder, 'released')), []);
  });

  it('refuses an unwritable place before the measurement', () => {
    writeFileSync(join(folder, 'a-file'), '');
    assert.equal(
      codeOf(() => reserve(join(folder, 'a-file', 'load.json'))),
      'OUTPUT_UNWRITABLE',
    );
    mkdirSync(join(folder, 'taken.json'));
    assert.equal(
      codeOf(() => reserve(join(folder, 'taken.json'))),
      'OUTPUT_UNWRITABLE',
    );
  });

  it('keeps its promise on a disk that is or becomes full', (t) => {
    const small = join(folder, 'small');
    mkdirSync(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
    if (mounted.status !== 0) {
      t.skip('cannot mount a small tmpfs: needs root on Linux');
      return;
    }
    t.after(() => spawnSync('umount', [small]));
    const reservation = reserve(join(small, 'load.json'));
    fill(join(small, 'filler'));
    // Nothing is free any more: a new one is refused before its measurement …
    assert.equal(
      codeOf(() => reserve(join(small, 'second.json'))),
      'DISK_FULL',
    );
    assert.equal(
      codeOf(() => writeRecord(join(small, 'third.json'), {})),
      'DISK_FULL',
    );
    // … and the one that was reserved is written into its own space.
    const record = { measured: 'x'.repeat(500_000) };
    reservation.commit(record);
    assert.deepEqual(JSON.parse(readFileSync(join(small, 'load.json'), 'utf8')), record);
    assert.deepEqual(readdirSync(small).sort(), ['filler', 'load.json']);
  });

  it('rescues a record whose place has gone during the measurement', () => {
    const place = join(folder, 'gone');
    const reservation = reserve(join(place, 'load.json'));
    rmSync(place, { recursive: true });
    writeFileSync(place, 'now a file');
    try {
      reservation.commit({ measured: true });
      assert.fail('it should have told');
    } catch (error) {
      assert.ok(isScratchpadError(error));
      const rescued = error.details?.['rescuedTo'] as string;
      assert.deepEqual(JSON.parse(readFileSync(rescued, 'utf8')), { measured: true });
      assert.ok(error.hint?.includes(rescued));
      rmSync(rescued);
    }
  });

  it('tells apart what is missing, cut off, foreign and of another version', () => {
    assert.equal(
      codeOf(() => readRecord(join(folder, 'none.json'))),
      'RECORD_NOT_FOUND',
    );
    const file = join(folder, 'bad.json');
    writeFileSync(file, '{"schemaVersion": 1, "kind": "lo');
    assert.equal(
      codeOf(() => readRecord(file)),
      'RECORD_UNREADABLE',
    );
    writeFileSync(file, '{"name": "package"}');
    assert.equal(
      codeOf(() => readRecord(file)),
      'RECORD_FOREIGN',
    );
    writeFileSync(file, 'null');
    assert.equal(
      codeOf(() => readRecord(file)),
      'RECORD_FOREIGN',
    );
    assert.equal(
      codeOf(() => readRecord(folder)),
      'RECORD_UNREADABLE',
    );
    assert.equal(
      codeOf(() => parseRecord({ schemaVersion: 2, kind: 'load' }, 'x')),
      'RECORD_FOREIGN',
    );
    assert.equal(
      codeOf(() => parseRecord({ schemaVersion: 1, kind: 'load' }, 'x')),
      'RECORD_FOREIGN',
    );
  });

  it('lists records newest first, a bench by its bench.json, and no hidden or foreign file', () => {
    const place = join(folder, 'list');
    mkdirSync(join(place, 'bench-1'), { recursive: true });
    writeFileSync(join(place, 'bench-1', 'bench.json'), '{}');
    writeFileSync(join(place, 'bench-1', 'trial.json'), '{}');
    writeFileSync(join(place, '.load.json.1.part'), '');
    writeFileSync(join(place, 'notes.txt'), '');
    assert.deepEqual(listRecordFiles(place), [join(place, 'bench-1', 'bench.json')]);
    assert.deepEqual(listRecordFiles(join(place, 'absent')), []);
  });
});
