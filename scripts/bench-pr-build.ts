/** For bench:pr: programs as promises, and one commit's workload built in a worktree of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

export class CommandFailed extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

let current: ChildProcess | null = null;
let stopped = false;

/** Ctrl-C reaches the child, too, which cleans up; we then end in order. SIGTERM is handed on. */
export function forwardSignals(): void {
  process.on('SIGINT', () => {
    stopped = true;
  });
  process.on('SIGTERM', () => {
    stopped = true;
    current?.kill('SIGTERM');
  });
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Exit codes that are no failure. Default: 0. */
  allowed?: readonly number[] | 'any';
  /** What a failure counts as; default: the program's own exit code. */
  failsAs?: number;
  /** Its stderr is shown as it comes, unless quiet. */
  quiet?: boolean;
}

/** @throws CommandFailed with the last lines of what it said */
export async function run(
  file: string,
  args: string[],
  { cwd, env, allowed = [0], failsAs, quiet = false }: RunOptions = {},
): Promise<{ code: number; stdout: string }> {
  const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  current = child;
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = `${stderr}${chunk}`.slice(-4000);
    if (!quiet) process.stderr.write(chunk);
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exit, signal) => resolve(exit ?? (signal === 'SIGINT' ? 130 : 1)));
  });
  if (allowed === 'any') return { code, stdout };
  if (stopped) throw new CommandFailed('interrupted', 130);
  if (allowed.includes(code)) return { code, stdout };
  const said = quiet
    ? `: ${(stderr.trim() || stdout.trim()).split('\n').slice(-5).join('\n')}`
    : '';
  throw new CommandFailed(
    `${file} ${args.slice(0, 4).join(' ')} … ended with ${code}${said}`,
    failsAs ?? code,
  );
}

/** The full hash. @throws CommandFailed (2) where the repository has no such commit */
export async function commitOf(repository: string, name: string): Promise<string> {
  const args = [
    '-C',
    repository,
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${name}^{commit}`,
  ];
  const { code, stdout } = await run('git', args, { quiet: true, allowed: 'any' });
  if (code === 0) return stdout.trim();
  throw new CommandFailed(`there is no commit "${name}" in ${repository}: fetch it first`, 2);
}

export interface BuiltCommit {
  /** dist/workload of the commit. */
  folder: string;
  sha256: string;
}

/**
 * Checks the commit out and runs its own build of the workload. The packages are those of `root`
 * where the lock file is the same, else `npm ci` installs them, without running their scripts.
 * @throws CommandFailed (3)
 */
export async function buildCommit(request: {
  root: string;
  repository: string;
  commit: string;
  folder: string;
}): Promise<BuiltCommit> {
  const { root, repository, commit, folder } = request;
  const quiet = { quiet: true, failsAs: 3 };
  await run(
    'git',
    ['-C', repository, 'worktree', 'add', '--detach', '--force', folder, commit],
    quiet,
  );
  const lock = (at: string) => readFileSync(join(at, 'package-lock.json'), 'utf8');
  const shared = join(root, 'node_modules');
  if (existsSync(shared) && lock(folder) === lock(root)) {
    symlinkSync(shared, join(folder, 'node_modules'));
  } else {
    const args = ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await run('npm', args, { ...quiet, cwd: folder });
  }
  await run(process.execPath, ['--import', 'tsx', 'scripts/build-workload.ts'], {
    ...quiet,
    cwd: folder,
  });
  const built = join(folder, 'dist/workload');
  const manifest = JSON.parse(readFileSync(join(built, 'artifact.json'), 'utf8')) as {
    sha256: string;
  };
  return { folder: built, sha256: manifest.sha256 };
}
