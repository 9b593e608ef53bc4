/**
 * Every error that a user can meet: a stable code, the exit code it ends with, a cause in one
 * sentence and a hint that says what to do. A caller matches on `code`, never on the message.
 *
 * Exit codes: 0 done, 1 a bug, 2 usage, 3 a target cannot be prepared, started or reached,
 * 4 measurement void, 5 a threshold or regression gate failed, 130 interrupted.
 */
export const EXIT_BY_CODE = {
  // 2: usage
  BAD_FLAG: 2,
  UNKNOWN_TARGET: 2,
  UNKNOWN_PROVIDER: 2,
  UNKNOWN_COMMAND: 2,
  BAD_SCENARIO: 2,
  BAD_MODULE: 2,
  RECORD_UNREADABLE: 2,
  RECORD_FOREIGN: 2,
  RECORD_NOT_FOUND: 2,
  RECORDS_NOT_COMPARABLE: 2,
  NOT_DEPLOYED: 2,
  ALREADY_DEPLOYED: 2,
  // 3: a target cannot be prepared, started or reached
  ARTIFACT_MISSING: 3,
  RUNTIME_MISSING: 3,
  PORT_IN_USE: 3,
  ENGINE_ABSENT: 3,
  ENGINE_STOPPED: 3,
  ENGINE_FAILED: 3,
  ENGINE_PERMISSION: 3,
  ENGINE_REMOTE: 3,
  IMAGE_BUILD_FAILED: 3,
  BASE_IMAGE_UNAVAILABLE: 3,
  TARGET_UNAVAILABLE: 3,
  TARGET_START_FAILED: 3,
  TARGET_NOT_READY: 3,
  TARGET_DIED: 3,
  TARGET_UNREACHABLE: 3,
  ARTIFACT_MISMATCH: 3,
  VM_PROVIDER_ABSENT: 3,
  VM_BOX_BUILD_FAILED: 3,
  VM_BOX_CORRUPT: 3,
  VM_BOOT_FAILED: 3,
  VM_KERNEL_PANIC: 3,
  VM_CPU_FAILED: 3,
  VM_GUEST_HUNG: 3,
  VM_PERMISSION: 3,
  INSTALL_FAILED: 3,
  OUTPUT_UNWRITABLE: 3,
  DISK_FULL: 3,
  CLEANUP_INCOMPLETE: 3,
  STATE_UNREADABLE: 3,
  STATE_LOCKED: 3,
  // 4: measurement void
  ALL_REQUESTS_FAILED: 4,
  CLIENT_LIMITED: 4,
  WRITES_LOST: 4,
  GATE_FAILED: 4,
  BENCHMARK_FAILED: 4,
  // 5: thresholds
  THRESHOLD_FAILED: 5,
  REGRESSION: 5,
  // 130
  INTERRUPTED: 130,
  // 1
  BUG: 1,
} as const satisfies Record<string, 1 | 2 | 3 | 4 | 5 | 130>;

export type ErrorCode = keyof typeof EXIT_BY_CODE;

export interface ErrorDetails {
  /** What the user can do about it: an imperative sentence, a command where there is one. */
  hint?: string | undefined;
  /** What went wrong underneath, kept for `--json` and for debugging. */
  cause?: unknown;
  /** Facts for machines: a port, a path, a log's last lines. */
  details?: Record<string, unknown> | undefined;
}

export class ScratchpadError extends Error {
  override readonly name = 'ScratchpadError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  private facts: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, { hint, cause, details }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.facts = details;
  }

  get details(): Record<string, unknown> | undefined {
    return this.facts;
  }

  /** Adds facts that only an outer step knows, e.g. the last lines of a target's log. */
  attach(facts: Record<string, unknown>): void {
    this.facts = { ...this.facts, ...facts };
  }

  get exitCode(): number {
    return EXIT_BY_CODE[this.code];
  }

  /** The shape printed on stdout under `--json`. */
  toJSON(): Record<string, unknown> {
    const { cause } = this;
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(cause === undefined ? {} : { cause: cause instanceof Error ? cause.message : cause }),
        ...(this.hint === undefined ? {} : { hint: this.hint }),
        ...(this.details === undefined ? {} : { details: this.details }),
        exitCode: this.exitCode,
      },
    };
  }
}

export function isScratchpadError(error: unknown): error is ScratchpadError {
  return error instanceof ScratchpadError;
}
