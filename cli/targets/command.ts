/**
 * The process boundary: every program that a target calls (docker, mmdebstrap, apt-get) is called
 * through `Run`, so that the rest is tested with a fake and needs no engine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isScratchpadError, ScratchpadError } from '../errors.ts';

export interface CommandResult {
  /** Exit code; null where a signal or the time-out ended it, or where it never started. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  durationMs: number;
  timedOut: boolean;
  /** True where there is no such program. */
  missing: boolean;
}

export interface RunOptions {
  /** Abort: the process group gets SIGTERM, then SIGKILL; `run` throws INTERRUPTED. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Added to this process's environment. */
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
  /** Standard input; default: none. */
  input?: Readable | string | undefined;
  /** Each line of either stream, as it comes. */
  onLine?: ((line: string) => void) | undefined;
  /** Give up unless a first line has come within this time. */
  firstLineTimeoutMs?: number | undefined;
}

/**
 * Runs a program to its end. Resolves whatever its exit code is; rejects with INTERRUPTED on abort.
 */
export type Run = (
  file: string,
  args: readonly string[],
  options?: RunOptions,
) => Promise<CommandResult>;

/** Time between SIGTERM and SIGKILL for a program that was told to stop. */
const KILL_GRACE_MS = 2_000;
/** What is kept of each stream: enough for an error, bounded for a build log. */
const MAX_KEPT_CHARACTERS = 4 * 1024 * 1024;

export const runCommand: Run = async (file, args, options = {}) => {
  const { signal } = options;
  throwIfAborted(signal);
  const startedAt = performance.now();
  // its own process group: Ctrl-C in the terminal reaches only the CLI, which then decides, and
  // a program's own children (mmdebstrap has dozens) end with it
  const child = spawn(file, [...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const output = { stdout: '', stderr: '' };
  let timedOut = false;
  let missing = false;
  let ending: NodeJS.Timeout | undefined;
  const end = () => {
    killGroup(child, 'SIGTERM');
    ending ??= setTimeout(() => {
      killGroup(child, 'SIGKILL');
      // one that left the group may hold the pipes open for ever
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, KILL_GRACE_MS);
  };
  const expire = () => {
    timedOut = true;
    end();
  };
  const timers = [
    options.timeoutMs === undefined ? undefined : setTimeout(expire, options.timeoutMs),
  ];
  const firstLine =
    options.firstLineTimeoutMs === undefined
      ? undefined
      : setTimeout(expire, options.firstLineTimeoutMs);
  timers.push(firstLine);
  for (const name of ['stdout', 'stderr'] as const) {
    collect(child[name] as Readable, (text) => {
      clearTimeout(firstLine);
      output[name] = (output[name] + text).slice(-MAX_KEPT_CHARACTERS);
    });
    if (options.onLine) eachLine(child[name] as Readable, options.onLine);
  }
  signal?.addEventListener('abort', end, { once: true });
  const feeding = feed(child, options.input);
  const exit = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        missing = error.code === 'ENOENT';
        if (missing || error.code === 'EACCES') resolve({ code: null, signal: null });
        else reject(error);
        output.stderr += error.message;
      });
      child.once('close', (code, by) => resolve({ code, signal: by }));
    },
  ).finally(() => {
    for (const timer of timers) clearTimeout(timer);
    clearTimeout(ending);
    signal?.removeEventListener('abort', end);
  });
  await feeding;
  throwIfAborted(signal);
  return { ...exit, ...output, durationMs: performance.now() - startedAt, timedOut, missing };
};

/** Throws the signal's own ScratchpadError, else INTERRUPTED (exit 130), where it has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    if (isScratchpadError(signal.reason)) throw signal.reason;
    throw new ScratchpadError('INTERRUPTED', 'Interrupted.', { cause: signal.reason });
  }
}

/** The last `lines` lines of a text, without empty ones at the end. */
export function lastLines(text: string, lines: number): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** The group may outlive its leader; its id is not used again while it has a member. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // ended in between
  }
}

async function feed(child: ChildProcess, input: Readable | string | undefined): Promise<void> {
  if (input === undefined || !child.stdin) return;
  const { stdin } = child;
  if (typeof input === 'string') {
    stdin.on('error', () => {});
    stdin.end(input);
    return;
  }
  try {
    await pipeline(input, stdin);
  } catch {
    // the program ended before it had read all: its exit code and stderr tell more than EPIPE
  }
}

function collect(stream: Readable, add: (text: string) => void): void {
  stream.setEncoding('utf8');
  stream.on('data', add);
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (text: string) => {
    const lines = (rest + text).split(/\r?\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
