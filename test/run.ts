/**
 * `npm test`: builds, runs every test through node:test and tsx, and lists at the end what this
 * host could not run, with the reason. Arguments are file patterns: `npm test -- test/stats`.
 *
 * What shows at length what another test shows once (a hundred kills, a bench of ten pairs) is in
 * files named `.long.test.ts`: `npm run test:long` runs those, and CI runs both.
 */
import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

/**
 * Files that run side by side; each is in the first group that it matches, and the last group runs
 * first. Most tests wait for a process, a boot or a timer most of their time.
 */
const GROUPS: ReadonlyArray<{ files: RegExp; atOnce: number }> = [
  // what they assert is CPU time, lateness or a verdict: two measurements would measure each other
  {
    files: /^test\/(platform\/(meters|bench-pr|cli-starved)|oracles\/(generator|workers))/,
    atOnce: 1,
  },
  { files: /./, atOnce: 3 },
];
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
let failures = 0;
let passes = 0;
/** Seconds that each file took, for the list of the slowest. */
const secondsByFile = new Map<string, number>();

for (const group of GROUPS.toReversed()) {
  const isOwn = (file: string) => GROUPS.find(({ files: own }) => own.test(file)) === group;
  await runFiles(files.filter(isOwn), group.atOnce);
}

if (skips.length > 0) {
  console.log(`\nNot run on this host (${skips.length}):`);
  for (const { name, reason } of skips) console.log(`  - ${name}: ${reason}`);
}
const slowest = [...secondsByFile].sort((a, b) => b[1] - a[1]).slice(0, 20);
console.log(
  `\nSlowest files: ${slowest.map(([file, s]) => `${file} ${s.toFixed(0)} s`).join(', ')}`,
);
if (found.length > files.length && !isLong) {
  console.log(`\nLeft to \`npm run test:long\`: ${found.length - files.length} files`);
}
const minutes = (performance.now() / 60_000).toFixed(1);
console.log(`\n${passes} passed, ${failures} failed, ${skips.length} skipped, in ${minutes} min`);
process.exitCode = failures > 0 || passes === 0 ? 1 : 0;

async function runFiles(list: string[], concurrency: number): Promise<void> {
  if (list.length === 0) return;
  const stream = run({
    files: list,
    concurrency,
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
    if (event.details.type !== 'suite') failures++;
  });
  stream.on('test:summary', (event) => {
    if (event.file === undefined) return;
    secondsByFile.set(relative(root, event.file), event.duration_ms / 1000);
  });
  const output = stream.compose(new spec());
  output.pipe(process.stdout, { end: false });
  await new Promise((resolve, reject) => {
    output.on('end', resolve);
    output.on('error', reject);
  });
}

function expand(pattern: string): string[] {
  const isFolder = statSync(pattern, { throwIfNoEntry: false })?.isDirectory();
  const glob = isFolder ? `${pattern.replace(/\/$/, '')}/**/*.test.ts` : pattern;
  return globSync(glob, { cwd: root })
    .map((file) => relative(root, join(root, file)))
    .filter((file) => !file.startsWith('test/bench/'));
}
