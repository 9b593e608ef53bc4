/**
 * The programs that `--runtime` names, and how each starts the artifact. Node is the pinned package
 * (artifact.ts). Deno and Bun are pinned by infra/runtimes/package.json and installed on demand, as
 * they are 200 MB that most users never need; where they are not, the one on PATH stands in, and the
 * record says so.
 */
import { execFile } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ScratchpadError } from '../errors.ts';
import { infraFolder } from '../host/paths.ts';
import { nodeBinary, pinWarnings } from './artifact.ts';
import { sha256OfProgram } from './file-hash.ts';
import type { RuntimeName } from './target.ts';

export interface RuntimeBinary {
  name: RuntimeName;
  path: string;
  version: string;
  sha256: string;
  /** Is it the version that this project pins? */
  pinned: boolean;
  /** What a reader of a figure must know about it. */
  warnings: string[];
}

/** What the workload needs; not more, so that a flaw in a library meets Deno's own fence. */
const DENO_FLAGS = [
  'run',
  '--quiet',
  '--no-prompt',
  '--no-remote',
  '--no-code-cache',
  '--allow-env',
  '--allow-net',
  '--allow-read',
  '--allow-write',
  '--allow-ffi',
  '--allow-sys',
];

/** The command line that starts `entry` on the program at `path`. Pure. */
export function runtimeCommand(name: RuntimeName, path: string, entry: string): string[] {
  switch (name) {
    case 'node':
      return [path, entry];
    case 'deno':
      return [path, ...DENO_FLAGS, entry];
    case 'bun':
      return [path, '--no-install', entry];
  }
}

/**
 * What it takes to make every start a first one: Deno and Bun keep what they have compiled in the
 * user's home, so a second start, or one on bare, would be faster than one in a container.
 */
export function runtimeEnvironment(name: RuntimeName): Record<string, string> {
  switch (name) {
    case 'node':
      return {};
    case 'deno':
      // below a file no folder can be made: the cache is in memory
      return { DENO_DIR: '/dev/null/none', DENO_NO_UPDATE_CHECK: '1' };
    case 'bun':
      return { BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0', DO_NOT_TRACK: '1' };
  }
}

const execute = promisify(execFile);
const VERSION_TIMEOUT_MS = 20_000;

/** @throws RUNTIME_MISSING with the command that installs it */
export async function runtimeBinary(
  name: RuntimeName,
  folder = join(infraFolder, 'runtimes'),
): Promise<RuntimeBinary> {
  if (name === 'node') {
    const node = await nodeBinary();
    return { name, ...node, warnings: pinWarnings(node) };
  }
  const pin = pinnedVersion(name, folder);
  const found = installed(name, folder) ?? onPath(name);
  if (found === null) {
    throw new ScratchpadError('RUNTIME_MISSING', `${name} is not installed.`, {
      cause: `neither in ${folder} nor on PATH`,
      hint: `Run \`npm install --no-package-lock --prefix ${folder}\`; in a checkout \`npm run runtimes\`.`,
    });
  }
  const path = realpathSync(found);
  const version = await versionOf(name, path);
  const pinned = version === pin;
  return {
    name,
    path,
    version,
    pinned,
    sha256: await sha256OfProgram(path),
    warnings: pinned
      ? []
      : [`${name} ${version} from PATH runs the workload, not the pinned ${pin}`],
  };
}

function pinnedVersion(name: RuntimeName, folder: string): string {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  return (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies[name]!;
}

/** Where the npm packages put the program itself: no launcher of theirs may be what is measured. */
function installed(name: 'deno' | 'bun', folder: string): string | null {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = name === 'deno' ? ['deno', `deno${suffix}`] : ['bun', 'bin', 'bun.exe'];
  const path = join(folder, 'node_modules', ...program);
  return existsSync(path) && isProgram(path) ? path : null;
}

function onPath(name: string): string | null {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  const paths = folders.map((folder) => join(folder, file)).filter(existsSync);
  return paths.find(isProgram) ?? null;
}

/** A script that starts something else is not it: its hash would prove nothing. */
function isProgram(path: string): boolean {
  try {
    const file = openSync(path, 'r');
    const start = Buffer.alloc(2);
    readSync(file, start, 0, 2, 0);
    closeSync(file);
    return start.toString('latin1') !== '#!';
  } catch {
    return false;
  }
}

/** `deno 2.9.6 (stable, …)` or `1.4.5`. */
async function versionOf(name: string, path: string): Promise<string> {
  try {
    const { stdout } = await execute(path, ['--version'], { timeout: VERSION_TIMEOUT_MS });
    const version = /(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
    if (version !== undefined) return version;
    throw new Error(`it says ${JSON.stringify(stdout.slice(0, 80))}`);
  } catch (cause) {
    throw new ScratchpadError('RUNTIME_MISSING', `${path} does not tell its version.`, {
      cause,
      hint: `Install ${name} again; \`${path} --version\` must run here.`,
    });
  }
}
