import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { it } from 'node:test';
import { bin } from './run-cli.ts';

it('a uid without a name, as in a container, can use the CLI', (t) => {
  if (process.getuid?.() !== 0) return t.skip('another uid can be taken by root alone');
  const { SHELL: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'load', '--help'], {
    encoding: 'utf8',
    uid: 54_321,
    gid: 54_321,
    cwd: '/',
    env: { ...env, HOME: tmpdir() },
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /USAGE/);
});
