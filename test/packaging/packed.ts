/** One `npm pack` of a clean copy of this tree, installed globally into an empty folder. */
import { type ExecFileOptions, execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../cli/run-cli.ts';

const execute = promisify(execFile);

export interface PackedFile {
  path: string;
  size: number;
}

export interface Packed {
  /** Removed by `dispose`. */
  folder: string;
  tarball: string;
  files: PackedFile[];
  sizeBytes: number;
  unpackedBytes: number;
  dispose(): void;
}

/** npm as a user has it: none of the variables that `npm test` hands down, the way to the registry kept. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_registry)|SCRATCHPAD_|NODE_(?!EXTRA_CA_CERTS$))/i.test(name),
  );
  return { ...Object.fromEntries(entries), NO_COLOR: '1' };
}

export function npm(args: string[], options: ExecFileOptions = {}) {
  return execute('npm', args, { env: cleanEnvironment(), encoding: 'utf8', ...options });
}

/** Packs what the working tree holds, built anew, in a folder of its own. */
export async function pack(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-pack-'));
  const copy = join(folder, 'copy');
  const git = async (...args: string[]) =>
    (await execute('git', args, { cwd: root, encoding: 'utf8' })).stdout;
  await git('clone', '--quiet', '--local', '--no-checkout', root, copy);
  const listed = await git(
    'ls-files',
    '--cached',
    '--others',
    '--exclude-standard',
    '--deduplicate',
  );
  const deleted = new Set((await git('ls-files', '--deleted')).split('\n'));
  for (const file of listed.split('\n').filter((name) => name !== '' && !deleted.has(name))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const { stdout } = await npm(['pack', '--json', '--pack-destination', folder], { cwd: copy });
  const [packed] = JSON.parse(String(stdout).slice(String(stdout).indexOf('[\n'))) as [
    { filename: string; size: number; unpackedSize: number; files: PackedFile[] },
  ];
  return {
    folder,
    tarball: join(folder, packed.filename),
    files: packed.files,
    sizeBytes: packed.size,
    unpackedBytes: packed.unpackedSize,
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface Installed {
  /** Its output, stderr included. */
  said: string;
  packageFolder: string;
  run(args: string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<Result>;
}

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** `npm install --global` of the tarball into an empty prefix. */
export async function installGlobally({ folder, tarball }: Packed): Promise<Installed> {
  const prefix = join(folder, 'prefix');
  mkdirSync(prefix);
  const { stdout, stderr } = await npm(
    [
      'install',
      '--global',
      '--prefix',
      prefix,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      tarball,
    ],
    { cwd: folder },
  );
  const env = {
    ...cleanEnvironment(),
    PATH: [join(prefix, 'bin'), process.env['PATH']].join(delimiter),
    SCRATCHPAD_STATE_DIR: join(folder, 'state'),
    SCRATCHPAD_CACHE_DIR: join(folder, 'cache'),
  };
  return {
    said: `${stdout}${stderr}`,
    packageFolder: join(prefix, 'lib', 'node_modules', 'scratchpad'),
    run: (args, { cwd = folder, env: more = {} } = {}) =>
      execute(join(prefix, 'bin', 'scratchpad'), args, {
        cwd,
        env: { ...env, ...more },
        encoding: 'utf8',
        timeout: 120_000,
      }).then(
        ({ stdout: out, stderr: err }) => ({ code: 0, stdout: out, stderr: err }),
        (error: { code: number; stdout: string; stderr: string }) => error,
      ),
  };
}
