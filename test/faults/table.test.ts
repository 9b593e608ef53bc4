/** docs/FAULTS.md says what the tests declare, and every row has its test. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FAULTS_FILE, faultRows, faultsDocument } from '../../scripts/faults-table.ts';
import { root } from '../cli/run-cli.ts';

const rows = await faultRows();

describe('docs/FAULTS.md', () => {
  it('is what the tests declare: `npm run faults` writes it', async () => {
    assert.equal(readFileSync(FAULTS_FILE, 'utf8'), await faultsDocument());
  });

  it('has every fault once in a stage, and no name twice in a file', () => {
    assert.ok(rows.length >= 28, `${rows.length} faults`);
    for (const key of ['stage', 'file'] as const) {
      const names = rows.map((row) => `${row[key]}: ${row.fault}`);
      assert.deepEqual(names, [...new Set(names)]);
    }
  });

  it('names tests that are there', () => {
    const missing = rows
      .filter(({ file, test, fault }) => test !== fault && !textOf(file).includes(`'${test}'`))
      .map(({ file, test }) => `${file}: ${test}`);
    assert.deepEqual(missing, []);
  });

  it('tells of a test elsewhere no error that it does not look for', () => {
    const wrong = rows
      .filter(({ test, fault }) => test !== fault)
      .filter(({ file, test, code }) => code !== null && !bodyOf(file, test).includes(code))
      .map(({ test, code }) => `${test}: ${code}`);
    assert.deepEqual(wrong, []);
  });
});

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** From a test's name to the next test. */
function bodyOf(file: string, test: string): string {
  const [, after = ''] = textOf(file).split(`'${test}'`);
  return after.split(/\bplatformTest\(/)[0] ?? '';
}
