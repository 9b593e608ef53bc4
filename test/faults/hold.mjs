/**
 * Loaded into the CLI before its own code: the process stops at the line of stderr that the test waits
 * for, until the test has done what it does at that moment. Without it the test races the CLI, and
 * loses on a busy host.
 */
import { existsSync } from 'node:fs';

const { SCRATCHPAD_TEST_HOLD_AT: pattern, SCRATCHPAD_TEST_HOLD_UNTIL: file } = process.env;
const HOLD_MS = 60_000;

if (pattern !== undefined && file !== undefined) {
  const write = process.stderr.write;
  process.stderr.write = function hold(...args) {
    // A pipe's write is done when it returns: the test has the line.
    const result = write.apply(this, args);
    if (new RegExp(pattern).test(String(args[0]))) {
      const cell = new Int32Array(new SharedArrayBuffer(4));
      const end = performance.now() + HOLD_MS;
      while (!existsSync(file) && performance.now() < end) Atomics.wait(cell, 0, 0, 10);
    }
    return result;
  };
}
