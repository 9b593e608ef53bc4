/** The completion scripts that the build has made (scripts/build-completion.ts). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './paths.ts';

export function readCompletion(shell: string): string {
  return readFileSync(join(packageRoot, 'dist', 'cli', 'completion', shell), 'utf8');
}
