/** A build of the box whose process was killed: what it left is found, and a living one's is not. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { runCommand } from '../../cli/targets/command.ts';
import { identify, isAlive } from '../../cli/targets/process-identity.ts';
import { makeWorkFolder, removeLeftOvers } from '../../cli/targets/vm/left-overs.ts';
import { stateSandbox, withEnvironment } from './harness.ts';

const skip = process.platform === 'linux' ? false : 'a box is built on Linux only';

/** A temporary folder, a cache and a state folder of the test's own. */
function place(t: Pick<TestContext, 'after'>): { temporary: string; cache: string } {
  stateSandbox(t);
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-left-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [temporary, cache] = [join(folder, 'tmp'), join(folder, 'cache')];
  mkdirSync(temporary);
  mkdirSync(cache);
  withEnvironment(t, { TMPDIR: temporary });
  return { temporary, cache };
}

/** As this process's own folder would be named, had it been that one. */
function namedBy(pid: number, own: string): string {
  return basename(own).replace(/-\d+-\d+-(?=[^-]{6}$)/, `-${pid}-1-`);
}

/** A pid that no process has any more. */
function deadPid(): number {
  const { pid } = spawnSync('true');
  assert.ok(pid > 0);
  return pid;
}

describe('what a killed build of the box leaves', { skip }, () => {
  test('is ended and removed: programs, work folder, half-made files', async (t) => {
    const { temporary, cache } = place(t);
    const own = makeWorkFolder();
    const dead = deadPid();
    const left = join(temporary, namedBy(dead, own));
    mkdirSync(join(left, 'disk', 'root'), { recursive: true });
    writeFileSync(join(left, 'packages.tar'), 'half');
    const program = spawn('sleep', ['60'], { env: { ...process.env, TMPDIR: left } });
    await once(program, 'spawn');
    t.after(() => program.kill('SIGKILL'));
    for (const name of [`box-1.${dead}.building`, `packages-1.tar.${dead}.part`]) {
      writeFileSync(join(cache, name), 'half');
    }
    const removed = await removeLeftOvers(cache, runCommand);
    assert.equal(removed.length, 3, removed.join(', '));
    assert.ok(removed.includes(`unfinished box ${left}`));
    assert.equal(isAlive(identify(program.pid!)), false);
    assert.deepEqual(readdirSync(temporary), [basename(own)]);
    assert.deepEqual(readdirSync(cache), []);
    assert.deepEqual(await removeLeftOvers(cache, runCommand), [], 'a second time finds nothing');
  });

  test('is told from a build under way, and from what others put there', async (t) => {
    const { temporary, cache } = place(t);
    const own = makeWorkFolder();
    const dead = deadPid();
    const kept = [
      'scratchpad-box-zzzzzz', // no builder is named
      `scratchpad-box-0123456789ab-${dead}-1-AAAAAA`, // of another state folder
    ];
    for (const name of kept) mkdirSync(join(temporary, name));
    const files = [`box-1.${process.pid}.building`, 'box-1', 'artifact-1.ext4', `a.${dead}.txt`];
    for (const name of files) writeFileSync(join(cache, name), '');
    assert.deepEqual(await removeLeftOvers(cache, runCommand), []);
    assert.deepEqual(readdirSync(temporary).sort(), [...kept, basename(own)].sort());
    assert.deepEqual(readdirSync(cache).sort(), files.sort());
  });

  test('is left alone, and said, while something is mounted in it: the host’s /dev might be', async (t) => {
    const { temporary, cache } = place(t);
    const left = join(temporary, namedBy(deadPid(), makeWorkFolder()));
    const mounted = join(left, 'mmdebstrap.x', 'dev');
    mkdirSync(mounted, { recursive: true });
    if (spawnSync('mount', ['-t', 'tmpfs', 'scratchpad-test', mounted]).status !== 0) {
      return t.skip('mounting needs root');
    }
    try {
      writeFileSync(join(mounted, 'null'), '');
      await assert.rejects(
        removeLeftOvers(cache, runCommand),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'CLEANUP_INCOMPLETE');
          assert.ok(error.message.includes(mounted), error.message);
          return true;
        },
      );
      assert.ok(existsSync(join(mounted, 'null')));
    } finally {
      spawnSync('umount', [mounted]);
    }
    assert.equal((await removeLeftOvers(cache, runCommand)).length, 1);
    assert.equal(existsSync(left), false);
  });
});
