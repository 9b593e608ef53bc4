/**
 * Progress on stderr. On a TTY the current step is one line that is redrawn; elsewhere each step is
 * a line of its own. stdout is kept for the result.
 */
import type { Progress } from './targets/target.ts';

export interface ConsoleProgress extends Progress {
  /** Redraw the current line (a live view); a no-op off a TTY. */
  live(text: string): void;
  /** Print a line and keep it. */
  line(text: string): void;
  /** Clear the redrawn line: nothing of it may stay above the result. */
  done(): void;
  readonly warnings: string[];
  readonly tty: boolean;
}

export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

export function createProgress(
  stream: ProgressStream = process.stderr,
  { quiet = false }: { quiet?: boolean } = {},
): ConsoleProgress {
  const tty = Boolean(stream.isTTY) && process.env['TERM'] !== 'dumb';
  const warnings: string[] = [];
  let open = false;

  const clear = () => {
    if (open) stream.write('\r\u001B[K');
    open = false;
  };
  const line = (text: string) => {
    if (quiet) return;
    clear();
    stream.write(`${text}\n`);
  };
  const live = (text: string) => {
    if (quiet || !tty) return;
    // a pseudo-terminal that was given no size says 0
    const width = Math.max(20, (stream.columns || 80) - 1);
    stream.write(`\r\u001B[K${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
    open = true;
  };
  return {
    tty,
    warnings,
    line,
    live,
    done: clear,
    step(text) {
      if (tty) live(`· ${text}`);
      else line(`· ${text}`);
    },
    warn(text) {
      if (!warnings.includes(text)) {
        warnings.push(text);
        line(`! ${text}`);
      }
    },
  };
}
