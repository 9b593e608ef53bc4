/** The house rules as tests; the message says the mend. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

interface Import {
  from: string;
  /** Relative to the root for our own files, else the package's name. */
  to: string;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const specifier = match[1]!;
    const to = specifier.startsWith('.')
      ? relative(root, join(root, dirname(file), specifier))
      : specifier;
    found.push({ from: file, to });
  }
  return found;
}

const imports = globSync('{cli,workload}/**/*.{ts,js}', { cwd: root }).flatMap(importsOf);
const text = (found: Import[]) => found.map(({ from, to }) => `${from} imports ${to}`).join('\n');

describe('import directions', () => {
  it('cli/ and workload/ never import each other: the CLI deploys the built artifact', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        (from.startsWith('cli/') && to.startsWith('workload/')) ||
        (from.startsWith('workload/') && to.startsWith('cli/')),
    );
    assert.equal(text(wrong), '');
  });

  it('the pure core has no node: imports: hand the clock, the file or the hash in', () => {
    const pure = [
      /^cli\/stats\//,
      /^cli\/load\/plan\.ts$/,
      /^cli\/report\/model\.ts$/,
      /^cli\/bench\/(plan|gates)\.ts$/,
    ];
    const wrong = imports.filter(
      ({ from, to }) => pure.some((pattern) => pattern.test(from)) && to.startsWith('node:'),
    );
    assert.equal(text(wrong), '');
  });

  it('the workload imports node: only in serve/ : everything else runs on every runtime', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        from.startsWith('workload/') &&
        !from.startsWith('workload/serve/') &&
        to.startsWith('node:'),
    );
    assert.equal(text(wrong), '');
  });

  it('data flows one way: an earlier stage never imports a later one', () => {
    const order = ['targets', 'meters', 'probe', 'load', 'bench', 'report'];
    const allowed = new Set([
      // Formatting of values and of foreign text is shared with what `load` prints.
      'cli/load/summary-text.ts cli/report/units.ts',
      'cli/load/summary-text.ts cli/report/text.ts',
      'cli/load/summary-text.ts cli/report/used-text.ts',
      // `bench` ends with the comparison of its own trials.
      'cli/bench/command.ts cli/report/model.ts',
      'cli/bench/command.ts cli/report/render.ts',
      'cli/bench/command.ts cli/report/earlier-effects.ts',
      'cli/bench/text.ts cli/report/earlier-effects.ts',
      'cli/bench/command.ts cli/report/write-report.ts',
      'cli/report/command.ts cli/bench/folder.ts',
    ]);
    const stage = (path: string) => order.indexOf(path.split('/')[1] ?? '');
    const wrong = imports.filter(({ from, to }) => {
      if (!from.startsWith('cli/') || !to.startsWith('cli/')) return false;
      // A target opens the meter that fits it; the meters know no target.
      if (stage(from) === 0 && stage(to) === 1) return false;
      if (allowed.has(`${from} ${to}`)) return false;
      return stage(from) !== -1 && stage(to) > stage(from);
    });
    assert.equal(text(wrong), '');
  });

  it('commands are thin: they import the shared base and flags, and load the rest in run()', () => {
    const allowed = ['cli/command.ts', 'cli/errors.ts', 'cli/flags.ts', '@oclif/core'];
    const wrong = globSync('cli/commands/**/*.ts', { cwd: root }).flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/^import .* from '([^']+)'/gm)]
        .map((match) => match[1]!)
        .map((specifier) =>
          specifier.startsWith('.')
            ? relative(root, join(root, dirname(file), specifier))
            : specifier,
        )
        .filter((to) => !allowed.includes(to))
        .map((to) => ({ from: file, to })),
    );
    assert.equal(text(wrong), '');
  });
});
