/** Where the program of a runtime is found, and what is said where it is not the pinned one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256OfFile, sha256OfProgram } from '../../cli/targets/file-hash.ts';
import { runtimeBinary, runtimeCommand } from '../../cli/targets/runtime.ts';
import { withEnvironment } from './harness.ts';

/** A folder like infra/runtimes, and a cache of the test's own. */
function sandbox(t: TestContext, pins: Record<string, string> = { deno: '0.0.1', bun: '0.0.1' }) {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-runtime-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  withEnvironment(t, { SCRATCHPAD_CACHE_DIR: join(folder, 'cache'), PATH: join(folder, 'bin') });
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ dependencies: pins }));
  return folder;
}

test('one that is not installed is an error with the command that installs it', async (t) => {
  const folder = sandbox(t);
  await assert.rejects(runtimeBinary('deno', folder), {
    code: 'RUNTIME_MISSING',
    exitCode: 3,
    hint: new RegExp(`npm install .*--prefix ${folder}.*npm run runtimes`),
  });
});

test('a launcher script on PATH is passed over: its hash would prove nothing', async (t) => {
  const folder = sandbox(t);
  writeFileSync(join(folder, 'bin', 'bun'), '#!/bin/sh\necho 0.0.1\n', { mode: 0o755 });
  await assert.rejects(runtimeBinary('bun', folder), { code: 'RUNTIME_MISSING' });
});

test('the pinned package comes first; another version from PATH is told as a warning', async (t) => {
  // this very Node as a stand-in: a program that answers `--version`
  const version = process.versions.node;
  const folder = sandbox(t, { deno: version, bun: '0.0.1' });
  copyFileSync(process.execPath, join(folder, 'bin', 'bun'));
  const fromPath = await runtimeBinary('bun', folder);
  assert.equal(fromPath.version, version);
  assert.equal(fromPath.pinned, false);
  assert.match(fromPath.warnings.join(), new RegExp(`bun ${version} from PATH .*pinned 0\\.0\\.1`));

  const installed = join(folder, 'node_modules', 'deno', 'deno');
  mkdirSync(join(installed, '..'), { recursive: true });
  copyFileSync(process.execPath, installed);
  copyFileSync(process.execPath, join(folder, 'bin', 'deno'));
  const pinned = await runtimeBinary('deno', folder);
  assert.deepEqual([pinned.path, pinned.pinned, pinned.warnings], [installed, true, []]);
  assert.equal(pinned.sha256, await sha256OfFile(process.execPath));
});

test('a program that does not tell its version is no runtime', async (t) => {
  const folder = sandbox(t);
  writeFileSync(join(folder, 'bin', 'bun'), 'not a program');
  chmodSync(join(folder, 'bin', 'bun'), 0o755);
  await assert.rejects(runtimeBinary('bun', folder), {
    code: 'RUNTIME_MISSING',
    message: /does not tell its version/,
  });
});

test('a hash is kept until the file is another one', async (t) => {
  const folder = sandbox(t);
  const file = join(folder, 'program');
  const of = (text: string) => createHash('sha256').update(text).digest('hex');
  const kept = () => readdirSync(join(folder, 'cache', 'program-hashes'));
  writeFileSync(file, 'one');
  assert.equal(await sha256OfProgram(file), of('one'));
  const [entry] = kept();
  // what is read back is what was kept, not hashed again
  writeFileSync(join(folder, 'cache', 'program-hashes', entry!), `${of('marked')}\n`);
  assert.equal(await sha256OfProgram(file), of('marked'));
  // same path, same size, same modification time: the change time still gives it away
  writeFileSync(file, 'two');
  utimesSync(file, 1, 1);
  assert.equal(await sha256OfProgram(file), of('two'));
  writeFileSync(
    join(folder, 'cache', 'program-hashes', kept().find((each) => each !== entry)!),
    '',
  );
  assert.equal(await sha256OfProgram(file), of('two'));
});

test('Deno gets the permissions that the workload needs, and not all of them', () => {
  const [program, ...rest] = runtimeCommand('deno', '/x/deno', '/app/deno.mjs');
  assert.equal(program, '/x/deno');
  assert.equal(rest.at(-1), '/app/deno.mjs');
  assert.ok(!rest.includes('--allow-all') && !rest.includes('-A') && !rest.includes('--allow-run'));
});
