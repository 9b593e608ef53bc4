/** `report --open` on a host that has nothing to open a page with. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runReport } from '../../cli/report/write-report.ts';

const sample = fileURLToPath(new URL('../../fixtures/records/simulated-bench', import.meta.url));

it('report --open says so where a desktop has no opener, and the files are written all the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-open-'));
  const { PATH, DISPLAY } = process.env;
  try {
    const bench = join(folder, 'bench');
    cpSync(sample, bench, { recursive: true });
    process.env['PATH'] = folder;
    process.env['DISPLAY'] = ':99';
    const result = await runReport({ bench, open: true });
    assert.equal(result.opened, false);
    assert.match(result.noPng ?? '', /no Chromium or Chrome on PATH/);
    assert.match(readFileSync(result.report, 'utf8'), /^<!doctype html>/);
    assert.match(readFileSync(result.index, 'utf8'), /href="\.\/bench\/report\.html"/);
  } finally {
    process.env['PATH'] = PATH;
    if (DISPLAY === undefined) delete process.env['DISPLAY'];
    else process.env['DISPLAY'] = DISPLAY;
    rmSync(folder, { recursive: true, force: true });
  }
});
