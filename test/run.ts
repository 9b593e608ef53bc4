/**
 * `npm test`: builds, runs every test file through node:test, and lists at the end what failed and
 * what this host could not run, with the reason. Arguments are file patterns:
 * `npm test -- test/stats`.
 *
 * Three files run at a time: most tests wait for a process, a boot or a timer most of their time.
 * Files that look at all containers or machines of the host are kept apart, and what measures runs
 * alone, at the end.
 *
 * What shows at length what another test shows once (a hundred kills, a bench of ten pairs, every
 * fault) is in files named `.long.test.ts`: `npm run test:long` runs those, and CI runs both.
 */
import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

const AT_ONCE = 3;

/** Files that share a name here never run at the same time. */
const SHARED: ReadonlyArray<{ name: string; files: RegExp }> = [
  {
    name: 'the Docker engine',
    files:
      /^test\/(platform\/(docker|docker-failures|cli-docker|image|compose|paths|durability|targets-contract)|faults\/(docker|deploy)|packaging\/image|readme\/examples)\./,
  },
  {
    name: 'libvirt and QEMU',
    files: /^test\/(platform\/(vm-|cli-vm)|faults\/vm|readme\/examples\.)/,
  },
];

/** What they assert is CPU time, lateness or a verdict: two measurements would measure each other. */
const ALONE =
  /^test\/(platform\/(meters|bench-pr|cli-starved)|oracles\/(generator|workers|deno-latency))/;

const LONG = /\.long\.test\.ts$/;

const args = process.argv.slice(2);
const isLong = args.includes('--long');
const asked = args.filter((arg) => arg !== '--long');
const patterns = asked.length === 0 ? ['test'] : asked;
const found = [...new Set(patterns.flatMap(expand))].sort();
// whoever names files or a folder means the long ones there, too
const files = found.filter((file) => asked.length > 0 || LONG.test(file) === isLong);
if (files.length === 0) {
  console.error(`no test files match ${patterns.join(' ')}`);
  process.exit(2);
}

if (!process.env['SCRATCHPAD_TEST_NO_BUILD']) {
  const build = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts'], {
    stdio: 'inherit',
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
}

interface Skip {
  name: string;
  reason: string;
}
const skips: Skip[] = [];
const failures: Array<{ file: string; name: string }> = [];
let passes = 0;
/** Seconds that each file took, for the list of the slowest. */
const secondsByFile = new Map<string, number>();

const alone = files.filter((file) => ALONE.test(file));
// those that have to wait for each other come first, so that they do not end up last and one by one
const together = files
  .filter((file) => !ALONE.test(file))
  .sort((a, b) => namesOf(b).length - namesOf(a).length);
await runTogether(together);
for (const file of alone) await runFile(file);

if (skips.length > 0) {
  console.log(`\nNot run on this host (${skips.length}):`);
  for (const { name, reason } of skips) console.log(`  - ${name}: ${reason}`);
}
if (failures.length > 0) {
  console.log(`\nFailed (${failures.length}):`);
  for (const { file, name } of failures) console.log(`  - ${file}: ${name}`);
}
const slowest = [...secondsByFile].sort((a, b) => b[1] - a[1]).slice(0, 20);
console.log(
  `\nSlowest files: ${slowest.map(([file, s]) => `${file} ${s.toFixed(0)} s`).join(', ')}`,
);
if (found.length > files.length && !isLong) {
  console.log(`\nLeft to \`npm run test:long\`: ${found.length - files.length} files`);
}
const minutes = (performance.now() / 60_000).toFixed(1);
console.log(
  `\n${passes} passed, ${failures.length} failed, ${skips.length} skipped, in ${minutes} min`,
);
process.exitCode = failures.length > 0 || passes === 0 ? 1 : 0;

function namesOf(file: string): string[] {
  return SHARED.filter((shared) => shared.files.test(file)).map(({ name }) => name);
}

async function runTogether(list: readonly string[]): Promise<void> {
  const waiting = [...list];
  const running = new Map<string, Promise<void>>();
  while (waiting.length > 0 || running.size > 0) {
    const taken = new Set([...running.keys()].flatMap(namesOf));
    const next = waiting.findIndex((file) => namesOf(file).every((name) => !taken.has(name)));
    if (next === -1 || running.size === AT_ONCE) {
      await Promise.race(running.values());
      continue;
    }
    const [file] = waiting.splice(next, 1);
    running.set(
      file!,
      runFile(file!).finally(() => running.delete(file!)),
    );
  }
}

/** One file in a process of its own. Its output is printed as a whole, when it has ended. */
async function runFile(file: string): Promise<void> {
  const startedAt = performance.now();
  const stream = run({
    files: [file],
    // from 22.18 on Node reads types by itself, in a tenth of the time
    execArgv: process.features.typescript ? [] : ['--import', 'tsx'],
    timeout: 600_000,
  });
  stream.on('test:pass', (event) => {
    if (event.skip !== undefined && event.skip !== false) {
      skips.push({ name: event.name, reason: event.skip === true ? 'no reason' : event.skip });
    } else if (event.details.type !== 'suite') passes++;
  });
  stream.on('test:fail', (event) => {
    if (event.details.type !== 'suite') failures.push({ file, name: event.name });
  });
  let text = '';
  for await (const chunk of stream.compose(new spec())) text += chunk;
  const seconds = (performance.now() - startedAt) / 1000;
  secondsByFile.set(file, seconds);
  // the counts of one file tell nothing: those of all files stand at the end
  const lines = text
    .split('\n')
    .filter(
      (line) => !/^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(line),
    );
  console.log(`\n— ${file} (${seconds.toFixed(1)} s)\n${lines.join('\n').trimEnd()}`);
}

function expand(pattern: string): string[] {
  const isFolder = statSync(pattern, { throwIfNoEntry: false })?.isDirectory();
  const glob = isFolder ? `${pattern.replace(/\/$/, '')}/**/*.test.ts` : pattern;
  return globSync(glob, { cwd: root })
    .map((file) => relative(root, join(root, file)))
    .filter((file) => !file.startsWith('test/bench/'));
}
