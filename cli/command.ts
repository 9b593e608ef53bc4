/**
 * What every command shares: `--json`, Ctrl-C as an AbortSignal, progress on stderr. A command
 * parses, calls one function and prints; errors rise to `main.ts`, which alone formats them.
 */
import { Command } from '@oclif/core/command';
import { formatError } from './error-text.ts';
import { ScratchpadError } from './errors.ts';
import { type ConsoleProgress, createProgress } from './progress.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export abstract class ScratchpadCommand extends Command {
  static override enableJsonFlag = true;

  private readonly controller = new AbortController();
  private readonly onSignal = (signal: NodeJS.Signals) => {
    if (this.controller.signal.aborted) {
      this.progress.line(
        '! still cleaning up; what is left can be removed by `scratchpad down --all`',
      );
      return;
    }
    if (!this.endsByInterrupt)
      this.progress.line(`! ${signal}: stopping, keeping what was measured, cleaning up`);
    this.controller.abort(
      new ScratchpadError('INTERRUPTED', `Interrupted by ${signal}`, {
        hint: 'What was already measured has been kept.',
      }),
    );
  };
  protected readonly progress: ConsoleProgress = createProgress();

  /** A view that runs until Ctrl-C: then nothing is cut off, and nothing has to be said. */
  protected endsByInterrupt = false;

  /** Aborted by Ctrl-C and SIGTERM, with the ScratchpadError to throw as its reason. */
  protected get signal(): AbortSignal {
    return this.controller.signal;
  }

  override async init(): Promise<void> {
    await super.init();
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
  }

  override async finally(error: Error | undefined): Promise<void> {
    this.progress.done();
    for (const signal of SIGNALS) {
      // all is done: one more Ctrl-C must not cut off what is being printed, or change the exit code
      process.on(signal, () => {});
      process.off(signal, this.onSignal);
    }
    await super.finally(error);
  }

  /**
   * The result stands, and the exit code says what is wrong with it: void, interrupted, a threshold.
   * The error goes to stderr, so that stdout stays the result.
   */
  protected report(failure: ScratchpadError | null): void {
    if (failure === null) return;
    this.progress.line(formatError(failure));
    process.exitCode = failure.exitCode;
  }

  /** oclif's own printing is bypassed: main.ts prints every error in one way. */
  override async catch(error: Error): Promise<void> {
    throw error;
  }

  /** JSON goes out whole, without colour, also into a pipe. */
  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  }
}
