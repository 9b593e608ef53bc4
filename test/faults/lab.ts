/** A place for one fault: folders of its own, the CLI as a user runs it, and a look for left-overs. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listCgroups } from '../../cli/targets/bare/cgroup.ts';
import { freePort } from '../../cli/targets/port.ts';
import { findMarked, OWNER_MARKER } from '../../cli/targets/process-identity.ts';
import { bin, type CliResult, matching, type Sandbox, sandbox } from '../cli/run-cli.ts';

export interface FaultLab extends Sandbox {
  t: TestContext;
  results: string;
  state: string;
  /** TMPDIR of what is run here. */
  temporary: string;
  /** Deploys bare on a free port, left running. */
  deployBare(more?: string[]): Promise<{ url: string; port: number; pid: number }>;
  /** Runs the CLI by a shell that first says `prelude`, e.g. `ulimit -n 64`. */
  limited(prelude: string, args: string[], env?: Record<string, string>): Promise<CliResult>;
  /** Changes the state file of the one deployment. */
  editState(edit: (state: Record<string, unknown>) => void): void;
  /** Runs the CLI until stderr matches, calls `then`, and waits for its end. */
  when(
    args: string[],
    pattern: RegExp,
    then: (child: ChildProcess) => void | Promise<void>,
    how?: { env?: Record<string, string>; prefix?: string[] },
  ): Promise<CliResult>;
  /** The same, and the CLI does not go on before `then` has ended. */
  heldAt(
    args: string[],
    pattern: RegExp,
    then: () => void | Promise<void>,
    how?: { env?: Record<string, string> },
  ): Promise<CliResult>;
}

const HOLD = new URL('./hold.mjs', import.meta.url).href;

export function openLab(t: TestContext): FaultLab {
  const box = sandbox(t);
  const temporary = join(box.folder, 'tmp');
  const results = join(box.folder, 'results');
  mkdirSync(temporary);
  box.env['TMPDIR'] = temporary;
  // Node's cache of compiled code is no left-over, and shared it saves each start 100 ms
  box.env['NODE_COMPILE_CACHE'] = join(tmpdir(), 'node-compile-cache');
  const begin = (args: string[], how: { env: Record<string, string>; prefix: string[] }) => {
    const [file, ...words] = [...how.prefix, process.execPath, bin, ...args];
    return spawn(file!, words, {
      cwd: box.folder,
      env: { ...box.env, ...how.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  const when: FaultLab['when'] = async (args, pattern, then, { env = {}, prefix = [] } = {}) => {
    const child = begin(args, { env, prefix });
    const result = resultOf(child);
    try {
      await matching(child, pattern);
      await then(child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    return result;
  };
  return {
    ...box,
    t,
    temporary,
    results,
    state: join(box.folder, 'state'),
    async deployBare(more = []) {
      const port = await freePort();
      const { code, stderr } = await box.run(['deploy', 'bare', '--port', String(port), ...more]);
      assert.equal(code, 0, stderr);
      const { deployments } = (await box.run(['status', '--json'])).json<{
        deployments: Array<{ detail: string; url: string }>;
      }>();
      const { detail, url } = deployments.at(-1)!;
      const pid = Number(/pid (\d+)/.exec(detail)?.[1]);
      assert.ok(pid > 1, detail);
      return { url, port, pid };
    },
    async limited(prelude, args, env = {}) {
      const prefix = ['sh', '-c', `${prelude}; exec "$@"`, 'sh'];
      return resultOf(begin(args, { env, prefix }));
    },
    editState(edit) {
      const file = box.stateFile();
      const state = JSON.parse(readFileSync(file, 'utf8'));
      edit(state);
      writeFileSync(file, JSON.stringify(state));
    },
    when,
    heldAt(args, pattern, then, { env = {} } = {}) {
      const goOn = join(box.folder, 'go-on');
      return when(
        args,
        pattern,
        async () => {
          await then();
          writeFileSync(goOn, '');
        },
        {
          env: {
            ...env,
            NODE_OPTIONS: `--import ${HOLD}`,
            SCRATCHPAD_TEST_HOLD_AT: pattern.source,
            SCRATCHPAD_TEST_HOLD_UNTIL: goOn,
          },
        },
      );
    },
  };
}

/** Building a base image takes a minute of it. */
const PATIENCE_MS = 180_000;

/** A command that hangs is killed, and its end tells. */
async function resultOf(child: ChildProcess): Promise<CliResult> {
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, json: () => JSON.parse(stdout) });
    });
  });
}

/** Polls for a bounded time; false is a failure of the test. */
export async function until(what: string, condition: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(2);
  }
}

/** What may be there after the fault, and how the rest goes. */
export const LEFT = {
  nothing: 'nothing',
  deployment: 'what was deployed before; `down` removes it',
  'down --all': 'what runs; `down --all` removes it',
} as const;
export type Left = keyof typeof LEFT;

export async function assertLeft(left: Left, lab: FaultLab): Promise<void> {
  if (left !== 'nothing') {
    assert.notDeepEqual(leftBehind(lab), [], 'it is still there: that is what the row says');
    const { code, stderr } = await lab.run(['down', '--all']);
    assert.equal(code, 0, stderr);
  }
  // a process that was just killed may take a moment to be gone
  await until('nothing left', () => leftBehind(lab).length === 0, 3_000).catch(() => {});
  assert.deepEqual(leftBehind(lab), []);
}

/** Processes, cgroups, containers, volumes, state entries, temporary and half-written files. */
function leftBehind({ state, temporary, results }: FaultLab): string[] {
  const owner = createHash('sha256').update(resolve(state)).digest('hex').slice(0, 12);
  return [
    ...findMarked(OWNER_MARKER, owner).map(({ pid }) => `process ${pid}`),
    ...findMarked('SCRATCHPAD_STATE_DIR', state).map(({ pid }) => `process ${pid} of the CLI`),
    ...listCgroups(`${owner}-`).map((name) => `cgroup ${name}`),
    ...list(join(state, 'deployments')).map((name) => `state ${name}`),
    // a rescued record is what is kept
    ...list(temporary)
      .filter((name) => !name.startsWith('scratchpad-rescued-'))
      .map((name) => `temporary ${name}`),
    ...(existsSync(results) ? (readdirSync(results, { recursive: true }) as string[]) : [])
      .filter((name) => /\.part$|\.tmp$|\.lock$/.test(name))
      .map((name) => `half-written ${name}`),
    ...ofEngine(owner),
  ];
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function ofEngine(owner: string): string[] {
  const ask = (...args: string[]) => {
    try {
      return execFileSync('docker', [...args, '--filter', `label=dev.scratchpad.owner=${owner}`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .split('\n')
        .filter(Boolean);
    } catch {
      return []; // no engine
    }
  };
  return [
    ...ask('ps', '-aq').map((id) => `container ${id}`),
    ...ask('volume', 'ls', '-q').map((name) => `volume ${name}`),
  ];
}
