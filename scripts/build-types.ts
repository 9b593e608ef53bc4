/** dist/types/: declarations of what a module from outside is written against. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function buildTypes(root: string): void {
  const folder = join(root, 'dist', 'types');
  rmSync(folder, { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(root, 'scripts/tsconfig.types.json')], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // tsc keeps the sources' names in imports, and there are no sources in the package
  for (const file of globSync('**/*.d.ts', { cwd: folder })) {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replaceAll(/(['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2'));
  }
}
