/** The container image of the CLI: built from the packed package, run against a deployment. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../../cli/targets/port.ts';
import { root, sandbox } from '../cli/run-cli.ts';
import { requirePlatform } from '../platform/require.ts';
import { pack } from './packed.ts';

const execute = promisify(execFile);
/** A busy host may make a load client-limited, and that is said with exit 4. */
function evenIfVoid(error: { code?: number; stdout: string }): { stdout: string } {
  if (error.code === 4) return error;
  throw error;
}

const TAG = `scratchpad-cli:test-${process.pid}`;

it('loads an address from a container, and leaves its record in the mounted folder', async (t) => {
  if (!requirePlatform(t, 'docker')) return;
  const packed = await pack();
  t.after(() => packed.dispose());
  t.after(() => void execFile('docker', ['image', 'rm', '--force', TAG]));
  const build = [
    '--import',
    'tsx',
    'scripts/cli-image.ts',
    '--tag',
    TAG,
    '--tarball',
    packed.tarball,
  ];
  const built = await execute(process.execPath, build, { cwd: root, encoding: 'utf8' });
  assert.equal(built.stdout.trim(), TAG);

  const { run, folder } = sandbox(t);
  const url = `http://127.0.0.1:${await freePort()}/`;
  assert.equal((await run(['deploy', 'bare', '--port', new URL(url).port])).code, 0);
  const work = join(folder, 'work');
  mkdirSync(work);
  const user = `${process.getuid!()}:${process.getgid!()}`;
  const inside = async (...args: string[]) =>
    execute(
      'docker',
      ['run', '--rm', '--network', 'host', '--user', user, '-v', `${work}:/work`, TAG, ...args],
      {
        encoding: 'utf8',
      },
    );
  const help = execFileSync(process.execPath, [join(root, 'cli/bin/run.js'), '--help'], {
    encoding: 'utf8',
  });
  assert.equal((await inside('--help')).stdout, help);
  const load = ['load', '--url', url, '--connections', '2', '--duration', '2'];
  const { stdout } = await inside(...load).catch(evenIfVoid);
  assert.match(stdout, /failed 0/);
  const [file, ...others] = readdirSync(join(work, 'results'));
  assert.deepEqual(others, []);
  const record = JSON.parse(readFileSync(join(work, 'results', file!), 'utf8')) as {
    kind: string;
    counts: { answered: number; failed: number };
  };
  assert.equal(record.kind, 'load');
  assert.ok(record.counts.answered > 0);
  assert.match((await inside('probe', '--url', url)).stdout, /127\.0\.0\.1/);
  // as the user of the image itself, who owns /work where nothing is mounted
  const plain = [
    'run',
    '--rm',
    '--network',
    'host',
    TAG,
    'load',
    url,
    '--connections',
    '1',
    '--duration',
    '1',
  ];
  const positional = await execute('docker', plain, { encoding: 'utf8' }).catch(evenIfVoid);
  assert.match(positional.stdout, /failed 0/);
});
