/** Starts the built bundle on a free port with a database of its own, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

const RUNTIME_FOLDERS = ['infra/runtimes', 'test/contract/runtimes'];

/** Where a runtime's program is: installed apart, they are half a gigabyte that few users need. */
export function runtimeBinary(name: string): { path: string; skip: string | false } {
  const paths = RUNTIME_FOLDERS.map((folder) => join(root, folder, 'node_modules/.bin', name));
  const path = paths.find((each) => existsSync(each)) ?? name;
  if (path !== name) return { path, skip: false };
  const reason = `${name} is not installed: npm run runtimes`;
  const required = (process.env['SCRATCHPAD_REQUIRE'] ?? '').split(',');
  if (required.includes('runtimes'))
    throw new Error(`SCRATCHPAD_REQUIRE names runtimes, but ${reason}`);
  return { path, skip: reason };
}

export interface RunningServer {
  url: string;
  port: number;
  process: ChildProcess;
  /** Folder with the database, removed by stop(). */
  folder: string;
  /** Lines on stdout so far, parsed. */
  lines: Array<Record<string, unknown>>;
  /** What it printed on stderr so far. */
  stderr(): string;
  /** Resolves with the exit code, null after a signal. */
  exited: Promise<number | null>;
  /** SIGTERM, waits, removes the folder. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  command?: string;
  args?: string[];
  env?: Record<string, string>;
  /** Use this folder, and do not remove it. */
  folder?: string;
}

/** Resolves once it says that it listens; rejects with its stderr where it ends before. */
export async function startServer({
  command = process.execPath,
  args = [join(root, 'dist', 'workload', 'server.mjs')],
  env = {},
  folder,
}: StartOptions = {}): Promise<RunningServer> {
  const own = folder ?? mkdtempSync(join(tmpdir(), 'scratchpad-test-'));
  const child = spawn(command, args, {
    cwd: own,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: own,
      SCRATCHPAD_PORT: '0',
      SCRATCHPAD_DB_URL: `file:${join(own, 'test.db')}`,
      ...env,
    },
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const lines: Array<Record<string, unknown>> = [];
  const listening = new Promise<{ port: number; url: string }>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = JSON.parse(line) as { event: string; port: number; url: string };
      lines.push(entry as unknown as Record<string, unknown>);
      if (entry.event === 'listening') resolve(entry);
    });
  });
  const first = await Promise.race([listening, exited.then(() => null)]);
  const clean = () => {
    if (folder === undefined) rmSync(own, { recursive: true, force: true });
  };
  if (first === null) {
    clean();
    throw new Error(`the server ended before it listened: ${stderr}`);
  }
  return {
    url: first.url,
    port: first.port,
    process: child,
    folder: own,
    lines,
    stderr: () => stderr,
    exited,
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      clean();
      return code;
    },
  };
}
