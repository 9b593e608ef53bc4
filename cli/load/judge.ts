/** What the exit code of a load is about. */
import { ScratchpadError } from '../errors.ts';
import { readAilment } from '../probe/control.ts';
import type { LoadRecord } from '../record/schema.ts';
import type { Deployment } from '../targets/target.ts';
import { integrityOf } from './summary-text.ts';
import type { LoadMeasurement } from './types.ts';
import { generatorHints } from './verdict.ts';

/** What the target itself says once the load is over. */
export interface Aftermath {
  /** How it ended; null: it lives. */
  died: Death | null;
  /** Why it calls itself not ready; null: it does not. */
  ailment: string | null;
}

type Death = Pick<Awaited<ReturnType<Deployment['liveness']>>, 'detail' | 'code'>;

/** Where it cannot be told whether the target lives, what was measured is told all the same. */
export async function aftermathOf(
  deployment: Deployment | null,
  { counts }: LoadMeasurement,
): Promise<Aftermath> {
  const now = await deployment?.liveness().catch(() => null);
  const died = now == null || now.alive ? null : now;
  const asks = deployment !== null && died === null && counts.failed > 0;
  return { died, ailment: asks ? await readAilment(deployment.url) : null };
}

/**
 * The exit code's reason, the gravest first: interrupted, the target died, nothing was answered, writes
 * were lost, the generator was the bottleneck, a threshold.
 */
export function judge(
  record: LoadRecord,
  { died, ailment }: Aftermath,
  checks: Array<{ expression: string; passed: boolean }>,
  signal: AbortSignal,
): ScratchpadError | null {
  if (signal.aborted && signal.reason instanceof ScratchpadError) return signal.reason;
  if (died !== null) {
    return new ScratchpadError(died.code ?? 'TARGET_DIED', 'The target ended under load', {
      cause: died.detail,
      hint: 'The record holds what was measured until then.',
    });
  }
  const { counts, generator } = record;
  const integrity = integrityOf(record);
  if (counts.answered === 0) {
    return new ScratchpadError('ALL_REQUESTS_FAILED', 'Not one request was answered', {
      cause: [JSON.stringify(record.errors), ...(ailment === null ? [] : [ailment])].join('; '),
      hint:
        generatorHints(record.errors)[0] ??
        'Is the app running there? `scratchpad probe --url` checks an address.',
    });
  }
  if (integrity !== null && integrity.lost > 0) {
    return new ScratchpadError(
      'WRITES_LOST',
      `${integrity.lost} acknowledged ${integrity.lost === 1 ? 'write was' : 'writes were'} lost`,
      {
        cause: integrity.details.join('; '),
        hint: 'The record holds the first of them; the target does not do what it says.',
      },
    );
  }
  if (generator.clientLimited) {
    return new ScratchpadError('CLIENT_LIMITED', 'The generator, not the target, was the limit', {
      cause: generator.reasons.join('; '),
      hint: `${generatorHints(record.errors)[0] ?? 'Lower --rate, free a CPU for the generator, or add --workers'}; the record is void.`,
    });
  }
  const { teardownError } = record as { teardownError?: string };
  if (teardownError !== undefined) {
    return new ScratchpadError('BENCHMARK_FAILED', 'The teardown of the benchmark failed', {
      cause: teardownError,
      hint: 'The record holds what was measured; what the benchmark made may still be there.',
    });
  }
  const failed = checks.filter(({ passed }) => !passed).map(({ expression }) => expression);
  if (failed.length > 0) {
    return new ScratchpadError('THRESHOLD_FAILED', `Not met: ${failed.join(', ')}`, {
      ...(ailment === null ? {} : { cause: ailment }),
    });
  }
  return null;
}
