import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesFolder } from '../../cli/host/paths.ts';

/** A recorded kernel file: see fixtures/meters/README.md. */
export function recorded(path: string): string {
  return readFileSync(join(fixturesFolder, 'meters', path), 'latin1');
}
