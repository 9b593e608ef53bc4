/** Runs the built CLI as a user does, with folders of its own, and hands back all that it printed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const bin = join(root, 'cli/bin/run.js');

export interface CliResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** stdout as JSON; throws with the text where it is not. */
  json<T = Record<string, unknown>>(): T;
}

export interface Sandbox {
  folder: string;
  env: Record<string, string | undefined>;
  run(
    args: string[],
    options?: { timeoutMs?: number; env?: Record<string, string> },
  ): Promise<CliResult>;
  /** For tests that signal it: the child, and its result to come. */
  start(
    args: string[],
    env?: Record<string, string>,
  ): { child: ChildProcess; result: Promise<CliResult> };
  /** The state file of the one deployment. */
  stateFile(): string;
  /**
   * Resolves once the one deployment has handled requests that nobody had sent when this was called:
   * the load is under way, however long its workers took to start.
   */
  underLoad(): Promise<void>;
}

/**
 * State and results in a folder that goes away with the test; what is still deployed is removed.
 * `runtime`: what runs the CLI, this very Node where none is named.
 */
export function sandbox(
  t: Pick<TestContext, 'after'>,
  runtime: readonly string[] = [process.execPath],
): Sandbox {
  const [program, ...before] = runtime;
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-cli-'));
  const env = {
    ...process.env,
    SCRATCHPAD_STATE_DIR: join(folder, 'state'),
    SCRATCHPAD_RESULTS_DIR: join(folder, 'results'),
    NO_COLOR: '1',
    NODE_TEST_CONTEXT: undefined,
  };
  const start: Sandbox['start'] = (args, more = {}) => {
    const child = spawn(program!, [...before, bin, ...args], {
      cwd: folder,
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    const result = new Promise<CliResult>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve({
          code,
          signal,
          stdout,
          stderr,
          json<T>() {
            try {
              return JSON.parse(stdout) as T;
            } catch {
              throw new Error(`stdout is not JSON:\n${stdout}\nstderr:\n${stderr}`);
            }
          },
        }),
      );
    });
    return { child, result };
  };
  const run: Sandbox['run'] = async (args, { timeoutMs = 120_000, env: more } = {}) => {
    const { child, result } = start(args, more);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    try {
      return await result;
    } finally {
      clearTimeout(timer);
    }
  };
  t.after(async () => {
    // Nothing to remove where nothing was ever deployed: the state folder is made first.
    if (existsSync(env.SCRATCHPAD_STATE_DIR)) await run(['down', '--all']);
    rmSync(folder, { recursive: true, force: true });
  });
  const stateFile = () => {
    const deployments = join(env.SCRATCHPAD_STATE_DIR, 'deployments');
    const [name] = readdirSync(deployments).filter((each) => each.endsWith('.json'));
    return join(deployments, name!);
  };
  return {
    folder,
    env,
    run,
    start,
    stateFile,
    async underLoad() {
      const { url } = JSON.parse(readFileSync(stateFile(), 'utf8')) as { url: string };
      const handled = async () => {
        const reply = await fetch(new URL('/readyz', url));
        return ((await reply.json()) as { handled: number }).handled;
      };
      const before = await handled();
      for (let asked = 0; asked < 1500; asked++) {
        if ((await handled()) >= before + 3) return;
        await sleep(20);
      }
      throw new Error(`no load arrives at ${url}`);
    },
  };
}

/** Resolves once what the child has printed on stderr matches; rejects where it ends before. */
export function matching(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = '';
    child.stderr!.on('data', (chunk: string) => {
      seen += chunk;
      if (pattern.test(seen)) resolve();
    });
    child.on('close', () => reject(new Error(`it ended before ${pattern}:\n${seen}`)));
  });
}
