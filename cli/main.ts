/**
 * Runs a command and turns whatever it throws into one line for people or one document for
 * machines, and an exit code. Nothing else in the CLI formats errors or ends the process.
 */
import { userInfo } from 'node:os';
import { run } from '@oclif/core/run';
import { formatError } from './error-text.ts';
import { EXIT_BY_CODE, isScratchpadError, ScratchpadError } from './errors.ts';
import { packageRoot } from './host/paths.ts';
import { closest } from './text/closest.ts';

interface OclifError extends Error {
  oclif?: { exit?: number };
  code?: string;
}

/** Every error as a ScratchpadError: oclif's usage errors are ours, anything unknown is a bug. */
export function toScratchpadError(error: unknown, commands: string[]): ScratchpadError {
  if (isScratchpadError(error)) {
    // What a flag's own parser threw comes back with oclif's words around it.
    const parsing = /^Parsing (--\S+) \s*([\s\S]*?)\s*(?:See more help with --help)?$/.exec(
      error.message,
    );
    if (parsing) error.message = `${parsing[1]}: ${parsing[2]}`;
    return error;
  }
  if (!(error instanceof Error)) return new ScratchpadError('BUG', String(error));
  const { oclif, message, name } = error as OclifError;
  const notFound = /^command (\S+) not found/.exec(message);
  if (notFound) {
    const guess = closest(notFound[1] ?? '', commands);
    return new ScratchpadError('UNKNOWN_COMMAND', `There is no command "${notFound[1]}"`, {
      hint: guess
        ? `Did you mean \`scratchpad ${guess}\`? \`scratchpad --help\` lists all commands.`
        : '`scratchpad --help` lists all commands.',
    });
  }
  if (oclif?.exit === 2) {
    return new ScratchpadError('BAD_FLAG', message.split('\nSee more help')[0]!.trim(), {
      hint: 'Add --help to see what the command takes.',
    });
  }
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
    return new ScratchpadError('DISK_FULL', `The disk is full: ${message}`, {
      hint: 'Free some space, or point SCRATCHPAD_RESULTS_DIR, SCRATCHPAD_STATE_DIR or SCRATCHPAD_CACHE_DIR elsewhere.',
      cause: error,
    });
  }
  return new ScratchpadError('BUG', `${name}: ${message}`, {
    cause: error,
    hint: 'This is a bug in scratchpad; please report it with the trace above.',
  });
}

export async function main(argv: string[]): Promise<void> {
  whereOutputCannotBeWritten();
  nameShell();
  try {
    await run(argv, { root: packageRoot });
  } catch (thrown) {
    const exit = (thrown as OclifError).oclif?.exit;
    if ((thrown as OclifError).code === 'EEXIT') {
      process.exitCode = exit ?? 0;
      return;
    }
    const error = toScratchpadError(thrown, COMMANDS);
    process.exitCode = EXIT_BY_CODE[error.code];
    if (error.code === 'BUG' && error.cause instanceof Error) {
      process.stderr.write(`${error.cause.stack}\n`);
    }
    const end = argv.indexOf('--');
    if ((end === -1 ? argv : argv.slice(0, end)).includes('--json')) {
      process.stdout.write(`${JSON.stringify(error.toJSON(), null, 2)}\n`);
    } else {
      process.stderr.write(`${formatError(error)}\n`);
    }
  }
}

/**
 * The result is printed last, when everything has been written and cleaned up. A reader of it that
 * has gone (`| head`) ends the program quietly, a full disk with its own error. Progress that nobody
 * can read is no reason to end: what was deployed has to be removed.
 */
function whereOutputCannotBeWritten(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EPIPE') process.exit();
    const full = cause.code === 'ENOSPC';
    const error = new ScratchpadError(
      full ? 'DISK_FULL' : 'OUTPUT_UNWRITABLE',
      full ? 'No space left to write the result to stdout' : 'Cannot write the result to stdout',
      { cause, hint: 'The records are in the results folder: `scratchpad compare` reads them.' },
    );
    process.stderr.write(`${formatError(error)}\n`);
    process.exit(error.exitCode);
  });
}

/** oclif asks the system for the login shell, and fails for a uid that has no name (in a container). */
function nameShell(): void {
  if (process.env['SHELL'] !== undefined) return;
  try {
    userInfo();
  } catch {
    process.env['SHELL'] = '/bin/sh';
  }
}

const COMMANDS = [
  'deploy',
  'down',
  'status',
  'probe',
  'load',
  'compare',
  'bench',
  'report',
  'doctor',
  'completion',
];
