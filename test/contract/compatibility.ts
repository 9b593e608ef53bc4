/**
 * The compatibility table, from what the tests found: `npm run compat` runs the contract, the security
 * table and the hostile requests on every runtime and target, and writes docs/compatibility.md and
 * compatibility.json. Exit code 1 where a test failed; what could not run here says so in its cell.
 *
 *   npm run compat [-- --out FOLDER]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Each subject with the suites that hold it, by the names that the tests give them. */
const SUBJECTS = [
  { name: 'Node, file', runtime: 'node', suites: 'the bundle on Node' },
  { name: 'Deno, file', runtime: 'deno', suites: 'the bundle on Deno' },
  { name: 'Bun, file', runtime: 'bun', suites: 'the bundle on Bun' },
  { name: 'workerd, libSQL server', runtime: 'workerd', suites: 'workerd' },
  {
    name: 'Node, libSQL server',
    runtime: 'node',
    suites: 'the bundle on Node with a remote database',
  },
  { name: '`bare`, Node', runtime: 'node', suites: 'bare with node' },
  { name: '`bare --runtime deno`', runtime: 'deno', suites: 'bare with deno' },
  { name: '`bare --runtime bun`', runtime: 'bun', suites: 'bare with bun' },
  { name: '`docker`, Node', runtime: 'node', suites: 'docker with node' },
  { name: '`docker --runtime deno`', runtime: 'deno', suites: 'docker with deno' },
  { name: '`docker --runtime bun`', runtime: 'bun', suites: 'docker with bun' },
  { name: '`vm`, Node', runtime: 'node', suites: 'the workload in a machine of qemu' },
] as const;

/** Column and the end of the suite's name. */
const COLUMNS = {
  contract: 'keeps the contract',
  security: 'is secure',
  hostile: 'withstands hostile requests',
} as const;
export type Column = keyof typeof COLUMNS;

/** Files with nothing else in them, and what of a longer one is wanted here. */
const FILES = [
  'test/contract/node.test.ts',
  'test/contract/runtimes.test.ts',
  'test/contract/workerd.test.ts',
  'test/contract/fuzz.test.ts',
  'test/platform/targets-contract.test.ts',
];
const MACHINE = { file: 'test/platform/vm-qemu.test.ts', only: /keeps the contract/ };

export interface Cell {
  passed: number;
  failed: number;
}

export interface Compatibility {
  schemaVersion: 1;
  versions: Record<string, string>;
  rows: Array<{ name: string; runtime: string; cells: Record<Column, Cell | null> }>;
}

/** What a suite's tests came to, by the suite's name. */
export type Tally = Map<string, Cell>;

export function tabulate(tally: Tally, versions: Record<string, string>): Compatibility {
  const rows = SUBJECTS.map(({ name, runtime, suites }) => {
    const cell = (column: Column) => tally.get(`${suites} ${COLUMNS[column]}`) ?? null;
    const cells = {
      contract: cell('contract'),
      security: cell('security'),
      hostile: cell('hostile'),
    };
    return { name, runtime, cells };
  });
  return { schemaVersion: 1, versions, rows };
}

export function asMarkdown({ versions, rows }: Compatibility): string {
  const show = (cell: Cell | null) =>
    cell === null
      ? '–'
      : cell.failed === 0
        ? cell.passed === 1
          ? 'passed'
          : `${cell.passed} of ${cell.passed}`
        : `**${cell.failed} failed** of ${cell.passed + cell.failed}`;
  return `# Compatibility

Written by \`npm run compat\` (\`.ci/run\` does so on each run): the tests of the contract over HTTP
(\`test/contract/contract.ts\`), of the security table (\`test/contract/security.ts\`) and the 10,000
hostile requests (\`test/contract/fuzz.ts\`), passed of all. A dash: not run there.

| where the workload runs | version | contract | security | hostile requests |
| --- | --- | --- | --- | --- |
${rows
  .map(
    ({ name, runtime, cells }) =>
      `| ${name} | ${versions[runtime]} | ${show(cells.contract)} | ${show(cells.security)} | ${show(cells.hostile)} |`,
  )
  .join('\n')}

With ${versions['libsql']} on ${versions['host']}. What a runtime does not offer:
[decisions/workload-runtimes.md](decisions/workload-runtimes.md).
`;
}

/** Versions of what is installed. */
export function installedVersions(): Record<string, string> {
  const of = (folder: string) =>
    (JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { version: string })
      .version;
  return {
    node: process.versions.node,
    deno: of('infra/runtimes/node_modules/deno'),
    bun: of('infra/runtimes/node_modules/bun'),
    workerd: of('test/contract/runtimes/node_modules/workerd'),
    libsql: `@libsql/client ${of('node_modules/@libsql/client')}`,
    host: `${process.platform} ${process.arch}, kernel ${release()}`,
  };
}

interface Ended {
  name: string;
  nesting: number;
  details: { type?: string };
}

async function measure(): Promise<{ tally: Tally; failures: number }> {
  const tally: Tally = new Map();
  const failures =
    (await tallyUp(tally, FILES)) + (await tallyUp(tally, [MACHINE.file], MACHINE.only));
  return { tally, failures };
}

/** Runs the tests of these files and adds what they came to; returns how many failed. */
async function tallyUp(tally: Tally, files: string[], only?: RegExp): Promise<number> {
  let failures = 0;
  const stream = run({
    files: files.map((file) => join(root, file)),
    concurrency: 1,
    execArgv: ['--import', 'tsx'],
    timeout: 600_000,
    ...(only === undefined ? {} : { testNamePatterns: [only] }),
  });
  // A test's event comes before its suite's: it is told by the nesting which suite it belongs to.
  const pending = new Map<number, Cell>();
  const note = (passed: boolean) => (event: Ended) => {
    if (event.details.type === 'suite') {
      const cell = pending.get(event.nesting + 1);
      const isOurs = Object.values(COLUMNS).some((end) => event.name.endsWith(end));
      if (isOurs && cell !== undefined) tally.set(event.name, cell);
      pending.delete(event.nesting + 1);
      return;
    }
    const cell = pending.get(event.nesting) ?? { passed: 0, failed: 0 };
    pending.set(event.nesting, cell);
    if (passed) cell.passed++;
    else {
      cell.failed++;
      failures++;
      console.error(`failed: ${event.name}`);
    }
  };
  stream.on('test:pass', (event) => {
    if (event.skip === undefined || event.skip === false) note(true)(event);
  });
  stream.on('test:fail', note(false));
  stream.on('test:start', ({ nesting, name }) => {
    if (nesting === 0) console.error(name);
  });
  for await (const _ of stream);
  return failures;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--out');
  const { tally, failures } = await measure();
  const table = tabulate(tally, installedVersions());
  const json = at === -1 ? null : join(process.argv[at + 1]!, 'compatibility.json');
  const markdown = at === -1 ? join(root, 'docs') : process.argv[at + 1]!;
  mkdirSync(markdown, { recursive: true });
  writeFileSync(join(markdown, 'compatibility.md'), asMarkdown(table));
  if (json !== null) writeFileSync(json, `${JSON.stringify(table, null, 2)}\n`);
  process.exitCode = failures > 0 ? 1 : 0;
}
