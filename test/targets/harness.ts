/** State in a folder of the test's own, a quiet progress that remembers, a fake process boundary. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CommandResult, Run, RunOptions } from '../../cli/targets/command.ts';
import type { Progress } from '../../cli/targets/target.ts';

/**
 * Points SCRATCHPAD_STATE_DIR to a new folder until the test ends. Returns it. `lastly` is called while
 * the folder is still there and pointed to.
 */
export function stateSandbox(
  t: Pick<TestContext, 'after'>,
  lastly: () => Promise<unknown> = async () => {},
): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-targets-'));
  const before = process.env['SCRATCHPAD_STATE_DIR'];
  process.env['SCRATCHPAD_STATE_DIR'] = folder;
  t.after(async () => {
    process.env['SCRATCHPAD_STATE_DIR'] = folder;
    try {
      await lastly();
    } finally {
      if (before === undefined) delete process.env['SCRATCHPAD_STATE_DIR'];
      else process.env['SCRATCHPAD_STATE_DIR'] = before;
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return folder;
}

/** Sets environment variables until the test ends; undefined unsets. */
export function withEnvironment(
  t: Pick<TestContext, 'after'>,
  values: Record<string, string | undefined>,
): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    const set = (to: string | undefined) => {
      if (to === undefined) delete process.env[name];
      else process.env[name] = to;
    };
    set(value);
    t.after(() => set(before));
  }
}

export interface RecordingProgress extends Progress {
  steps: string[];
  warnings: string[];
}

export function recordingProgress(): RecordingProgress {
  const steps: string[] = [];
  const warnings: string[] = [];
  return {
    steps,
    warnings,
    step: (text) => void steps.push(text),
    warn: (text) => void warnings.push(text),
  };
}

export const NEVER = new AbortController().signal;

export function result(partial: Partial<CommandResult> = {}): CommandResult {
  return {
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
    durationMs: 1,
    timedOut: false,
    missing: false,
    ...partial,
  };
}

export interface FakeRun {
  run: Run;
  /** Each call as one line. */
  calls: string[];
}

type Answer =
  | Partial<CommandResult>
  | ((args: string[], options: RunOptions) => Partial<CommandResult>);

/**
 * Answers by the first pattern that the command line matches. A command that no pattern matches
 * fails the test: nothing is called that the test does not know of.
 */
export function fakeRun(answers: Array<[RegExp, Answer]>): FakeRun {
  const calls: string[] = [];
  const run: Run = async (file, args, options = {}) => {
    const line = [file, ...args].join(' ');
    calls.push(line);
    const found = answers.find(([pattern]) => pattern.test(line));
    if (!found) throw new Error(`unexpected command: ${line}`);
    if (typeof options.input === 'object') options.input.destroy();
    const answer = found[1];
    return result(typeof answer === 'function' ? answer([...args], options) : answer);
  };
  return { run, calls };
}
