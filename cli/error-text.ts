/** An error for people: code, message, cause, the target's last words, and what to do. */
import type { ScratchpadError } from './errors.ts';

export function formatError(error: ScratchpadError): string {
  const lines = [`error ${error.code}: ${error.message}`];
  if (error.cause !== undefined) {
    const cause = error.cause instanceof Error ? error.cause.message : String(error.cause);
    if (cause.trim() !== '' && !error.message.includes(cause)) {
      lines.push(`  cause: ${cause.trim().split('\n').join('\n         ')}`);
    }
  }
  const log = error.details?.['log'];
  if (Array.isArray(log)) lines.push('  log:', ...log.map((line) => `    ${line}`));
  if (error.hint) lines.push(`  hint: ${error.hint}`);
  return lines.join('\n');
}
