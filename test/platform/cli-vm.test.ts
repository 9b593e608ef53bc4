/** The VM as a user meets it when he changes his mind: Ctrl-C in the middle of its boot. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../cli/host/paths.ts';
import { freePort } from '../../cli/targets/port.ts';
import { platformTest } from './require.ts';
import { lab } from './targets-harness.ts';
import { domainsLeft } from './vm-harness.ts';

const CLI = join(packageRoot, 'cli', 'bin', 'run.js');
/** Where the interruption comes: the kernel has begun; Vagrant has begun to make the machine. */
const UNDER_WAY = {
  qemu: ['console.log', /Linux version/],
  vagrant: ['vagrant.log', /,vm,/],
} as const;

describe('deploy vm, interrupted during the boot', () => {
  for (const provider of ['qemu', 'vagrant'] as const) {
    const requirement = provider === 'qemu' ? 'vm' : 'vagrant';
    platformTest(
      requirement,
      `by Ctrl-C ends with 130 and leaves nothing of ${provider}`,
      async (t) => {
        const { folder, assertNothingLeft } = lab(t, 'vm');
        const args = ['deploy', 'vm', '--provider', provider, '--port', String(await freePort())];
        const child = spawn(process.execPath, [CLI, ...args], {
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        let said = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
        const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
        const [file, pattern] = UNDER_WAY[provider];
        const id = await deploymentWhere(join(folder, 'deployments'), file, pattern, () => {
          assert.equal(child.exitCode, null, said);
        });
        child.kill('SIGINT');
        assert.equal(await ended, 130, said);
        assertNothingLeft();
        assert.deepEqual(domainsLeft(id), []);
      },
    );
  }
});

/** The id of the one deployment in `folder`, once its `file` has a line like `pattern`. */
async function deploymentWhere(
  folder: string,
  file: string,
  pattern: RegExp,
  check: () => void,
): Promise<string> {
  const until = performance.now() + 120_000;
  while (performance.now() < until) {
    check();
    for (const id of existsSync(folder) ? readdirSync(folder) : []) {
      const path = join(folder, id, file);
      if (existsSync(path) && pattern.test(readFileSync(path, 'utf8'))) return id;
    }
    await sleep(20);
  }
  throw new Error(`no ${pattern} in ${file}`);
}
