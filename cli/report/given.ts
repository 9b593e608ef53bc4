/** Records as they are given: each with a time, each once, and named by its file where one is wrong. */
import { ScratchpadError } from '../errors.ts';
import type { AnyRecord } from '../record/schema.ts';

/** Where a record was read from, for messages; undefined where that is not known. */
export type Origins = (record: AnyRecord) => string | undefined;

/** `trial 2026…-1f2e (results/b/trial-r01-a1-s2-docker.json)`. */
export function nameOf(record: AnyRecord, origins: Origins): string {
  const file = origins(record);
  return `${record.kind} ${record.id}${file === undefined ? '' : ` (${file})`}`;
}

/** Everything is sorted by its start: a record without one would stand anywhere. */
export function requireTime(record: AnyRecord, origins: Origins): void {
  if (Number.isFinite(Date.parse(record.startedAt))) return;
  throw new ScratchpadError(
    'RECORD_FOREIGN',
    `${nameOf(record, origins)} has no time of its start`,
    {
      cause: `startedAt: ${JSON.stringify(record.startedAt)}`,
      hint: 'The file has been changed or was written by another program: leave it out.',
    },
  );
}

/** The same record counts once; two that differ under one id are not what one of them says it is. */
export function withoutDuplicates(records: readonly AnyRecord[], force: boolean, origins: Origins) {
  const seen = new Map<string, AnyRecord>();
  const warnings: string[] = [];
  const twice: string[] = [];
  const unique = records.filter((record) => {
    const key = `${record.kind} ${record.id}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, record);
      return true;
    }
    const files = [...new Set([origins(first), origins(record)])].filter(
      (file) => file !== undefined,
    );
    const where = files.length === 0 ? '' : ` (${files.join(', ')})`;
    if (JSON.stringify(first) === JSON.stringify(record)) {
      twice.push(`${key} was given twice${where}`);
      return false;
    }
    if (!force) {
      throw new ScratchpadError(
        'RECORDS_NOT_COMPARABLE',
        `Two different records have the name ${key}${where}`,
        { hint: 'One of them has been changed: leave it out. --force keeps the first one.' },
      );
    }
    warnings.push(`two different records have the name ${key}${where}: the first one is used`);
    return false;
  });
  // a folder that is named twice is one mistake
  if (twice.length > 3) {
    warnings.push(`${twice.length} records were given twice: each counted once; e.g. ${twice[0]}`);
  } else warnings.push(...twice.map((text) => `${text}: counted once`));
  return { unique, warnings };
}
