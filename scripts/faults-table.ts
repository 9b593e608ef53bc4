/**
 * `npm run faults`: writes docs/FAULTS.md from the rows that the tests in test/faults/ declare. Each
 * row is also what its test holds the CLI against, so the table cannot say what is not so.
 */
import { globSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { TableRow } from '../test/faults/fault.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
export const FAULTS_FILE = join(root, 'docs/FAULTS.md');

let rowsOnce: Promise<TableRow[]> | undefined;

/** Every declared row, file by file in the order of their names. Runs no test. */
export function faultRows(): Promise<TableRow[]> {
  rowsOnce ??= readRows();
  return rowsOnce;
}

async function readRows(): Promise<TableRow[]> {
  process.env['SCRATCHPAD_FAULT_ROWS'] = '1';
  try {
    const { takeRows } = await import('../test/faults/fault.ts');
    const files = globSync('test/faults/*.faults.ts', { cwd: root }).concat(
      globSync('test/faults/*.test.ts', { cwd: root }).filter(
        (file) => basename(file) !== 'table.test.ts',
      ),
    );
    for (const file of files.sort()) await import(pathToFileURL(join(root, file)).href);
    return takeRows();
  } finally {
    delete process.env['SCRATCHPAD_FAULT_ROWS'];
  }
}

/** The document: an introduction and one table. */
export async function faultsDocument(): Promise<string> {
  const { KEPT } = await import('../test/faults/kept.ts');
  const { LEFT } = await import('../test/faults/lab.ts');
  const rows = await faultRows();
  const cells = rows.map((row) => [
    row.fault,
    row.stage,
    seen(row),
    KEPT[row.kept],
    LEFT[row.left],
    `[${basename(row.file)}](../${row.file})${row.test === row.fault ? '' : `: “${row.test}”`}${needs(row)}`,
  ]);
  const table = [
    ['Fault', 'Stage', 'What the user sees', 'What is kept', 'What is left behind', 'Proven by'],
    ['---', '---', '---', '---', '---', '---'],
    ...cells,
  ].map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  return `${INTRODUCTION.replace('COUNT', String(rows.length))}\n${table.join('\n')}\n`;
}

function seen({ exit, code, message, voidWhereBusy }: TableRow): string {
  const busy = voidWhereBusy ? ' (4 where the host is too busy to measure)' : '';
  const status = exit === 'SIGKILL' ? 'ends at once' : `exit ${exit}${busy}`;
  return code === null ? status : `${status}, \`${code}\`: ${message}`;
}

function needs({ needs: names }: TableRow): string {
  return names === undefined ? '' : ` (needs ${names.join(', ')})`;
}

const INTRODUCTION = `# What happens when something goes wrong

COUNT faults, each brought about by a test on real processes, files, engines and machines. A row is
declared in its test (\`test/faults/\`), and the test fails where exit code, error code, message, what
is kept or what is left behind is another than the row says. This file is written from the rows by
\`npm run faults\`; a test fails where it is not up to date.

- *What the user sees*: the exit code (see \`--help\` and README), and the line \`error CODE: message\`
  on stderr; \`…\` stands for what differs each time. \`--json\` prints the same as a document.
- *What is kept*: the check reads the record back, holds it against its schema, and adds its counts up.
- *What is left behind*: the check looks for processes, cgroups, containers, volumes, state entries,
  temporary and half-written files. "nothing" is meant literally.
- The test has the fault's name, and \`npm test -- test/faults\` runs them; those that need what a host
  lacks are listed as not run. Rows whose test has another name are proven below the CLI, in
  \`test/platform/\`: by the error's code and by what is left; exit code and message follow from the code.
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(FAULTS_FILE, await faultsDocument());
}
