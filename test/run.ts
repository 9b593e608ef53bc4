/**
 * `npm test`: builds, runs every test through node:test and tsx, and lists at the end what this
 * host could not run, with the reason. Arguments are file patterns: `npm test -- test/stats`.
 *
 * Platform tests run one file at a time: two measurements at once would measure each other.
 */
import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

const asked = process.argv.slice(2);
const patterns = asked.length === 0 ? ['test'] : asked;
const files = [...new Set(patterns.flatMap(expand))].sort();
if (files.length === 0) {
  console.error(`no test files match ${patterns.join(' ')}`);
  process.exit(2);
}
// Real engines, machines, browsers and sockets under load want the CPUs for themselves.
const ALONE = /^test\/(platform|browser|oracles|readme)\//;
const alone = files.filter((file) => ALONE.test(file));
const together = files.filter((file) => !ALONE.test(file));

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

await runFiles(together, 2);
await runFiles(alone, 1);

if (skips.length > 0) {
  console.log(`\nNot run on this host (${skips.length}):`);
  for (const { name, reason } of skips) console.log(`  - ${name}: ${reason}`);
}
console.log(`\n${passes} passed, ${failures} failed, ${skips.length} skipped`);
process.exitCode = failures > 0 || passes === 0 ? 1 : 0;

async function runFiles(list: string[], concurrency: number): Promise<void> {
  if (list.length === 0) return;
  const stream = run({
    files: list,
    concurrency,
    execArgv: ['--import', 'tsx'],
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
