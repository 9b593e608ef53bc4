/** The names under which failed runs are counted, and the first words of each. */

const NAME = /^[A-Z][A-Z0-9_]{1,63}$/;
/** A module that makes up a name per run must not make the record grow with them. */
const MAX_NAMES = 32;
export const RUN_FAILED = 'RUN_FAILED';

export class Failures {
  private readonly names = new Set<string>();
  private readonly messages = new Map<string, string>();

  /** The name of what a run threw; its message is kept where it is the first of that name. */
  note(error: unknown): string {
    const code = (error as { code?: unknown } | null)?.code;
    const name = this.nameOf(code);
    if (!this.messages.has(name)) {
      const message = error instanceof Error ? error.message : String(error);
      this.messages.set(name, message.slice(0, 300));
    }
    return name;
  }

  /** `code` where it is like SQLITE_BUSY and not one too many, else RUN_FAILED. */
  nameOf(code: unknown): string {
    if (typeof code !== 'string' || !NAME.test(code)) return RUN_FAILED;
    if (this.names.has(code)) return code;
    if (this.names.size >= MAX_NAMES) return RUN_FAILED;
    this.names.add(code);
    return code;
  }

  /** One sentence for each name that was thrown. */
  texts(): string[] {
    return [...this.messages].map(([name, message]) => `the first ${name} of a run: ${message}`);
  }
}
