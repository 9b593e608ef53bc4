/**
 * One row of docs/FAULTS.md and the test that proves it. `fault` takes what the user sees, what is
 * kept and what is left behind as data; the same data is printed in the table and held against what
 * really happened, so neither can say something else than the other.
 */
import assert from 'node:assert/strict';
import { relative } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, EXIT_BY_CODE } from '../../cli/errors.ts';
import { type CliResult, root } from '../cli/run-cli.ts';
import { requirePlatform } from '../platform/require.ts';
import { assertKept, type KEPT, type Kept } from './kept.ts';
import { assertLeft, type FaultLab, type LEFT, openLab } from './lab.ts';

export interface Fault {
  /** The fault in words; the name of its test. */
  fault: string;
  /** Where it strikes: the stage, or the command. */
  stage: string;
  /** The exit code; 'SIGKILL' where that is the fault itself. */
  exit: number | 'SIGKILL';
  /** `error CODE: message` on stderr; null where there is no error. `…` stands for anything. */
  code: ErrorCode | null;
  message: string | null;
  kept: keyof typeof KEPT;
  left: keyof typeof LEFT;
  /**
   * On a host where others work the generator may be late, and the CLI then says CLIENT_LIMITED, as
   * it must. The rest of the row holds all the same.
   */
  voidWhereBusy?: boolean;
  /** What the host must have, as in test/platform/require.ts. */
  needs?: string[];
}

/** What a test hands back to be held against its row. */
export interface Outcome {
  result: CliResult;
  /** Where the kept files are, if not in the results folder. */
  kept?: Kept;
}

export interface TableRow extends Fault {
  /** Test file, from the root. */
  file: string;
  test: string;
}

const rows: TableRow[] = [];

/** Rows declared since the last call; for the script that writes the table. */
export function takeRows(): TableRow[] {
  return rows.splice(0);
}

/** While the table is made the test files are read for their rows, and nothing is run. */
const onlyRows = () => process.env['SCRATCHPAD_FAULT_ROWS'] !== undefined;

/** Declares a row, and the test that brings the fault about on the built CLI. */
export function fault(
  meta: { url: string },
  row: Fault,
  body: (lab: FaultLab) => Promise<Outcome>,
): void {
  const file = relative(root, fileURLToPath(meta.url));
  if (row.code !== null) {
    assert.equal(row.exit, EXIT_BY_CODE[row.code], `${row.fault}: exit code of ${row.code}`);
  }
  rows.push({ ...row, file, test: row.fault });
  if (onlyRows()) return;
  inTurn(row.fault, async (t) => {
    for (const name of row.needs ?? []) if (!requirePlatform(t, name)) return;
    const lab = openLab(t);
    const { result, kept = {} } = await body(lab);
    assertSeen(row, result);
    await assertKept(row.kept, lab, kept);
    await assertLeft(row.left, lab);
  });
}

type Body = (t: TestContext) => Promise<void>;
const declared: Array<[string, Body]> = [];

/** Two at a time: most of a fault is waiting. All that a file declares is in one suite. */
function inTurn(name: string, body: Body): void {
  declared.push([name, body]);
  if (declared.length > 1) return;
  queueMicrotask(() => {
    void describe('faults', { concurrency: 2 }, () => {
      for (const each of declared) void it(...each);
    });
  });
}

/** A row whose fault another test brings about, e.g. in a machine that takes a minute to boot. */
export function provenElsewhere(row: Fault & { file: string; test: string }): void {
  rows.push(row);
}

function assertSeen(row: Fault, result: CliResult): void {
  const { exit, code, message } = row;
  const all = `stderr:\n${result.stderr}\nstdout:\n${result.stdout.slice(0, 2000)}`;
  const seen = [...result.stderr.matchAll(/^error ([A-Z_]+): (.*)$/gm)];
  if (row.voidWhereBusy && result.code === EXIT_BY_CODE.CLIENT_LIMITED) {
    // silent where stderr is closed: the record's check tells then
    if (result.stderr !== '') assert.equal(seen.at(-1)?.[1] ?? 'CLIENT_LIMITED', 'CLIENT_LIMITED');
    return;
  }
  assert.equal(result.signal ?? result.code, exit, all);
  if (code === null) {
    assert.deepEqual(
      seen.map(([line]) => line),
      [],
      all,
    );
    return;
  }
  const [, seenCode, seenMessage] = seen.at(-1) ?? [];
  assert.equal(seenCode, code, all);
  assert.match(String(seenMessage), patternOf(message ?? ''), all);
  assert.doesNotMatch(result.stderr, /^\s+at .*:\d+:\d+\)?$/m, 'no stack trace');
}

/** `…` stands for anything, the rest for itself. */
export function patternOf(text: string): RegExp {
  const escaped = text.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`);
}
