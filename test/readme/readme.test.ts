/** The README says only what is so: its commands run, its tables match the code. Links: test/docs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EXIT_BY_CODE } from '../../cli/errors.ts';
import { renderedReadme } from '../../scripts/results.ts';
import { root } from '../cli/run-cli.ts';
import { commandsOf } from './commands.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

const commands = commandsOf(readme);

describe('README', () => {
  it('shows commands that are run (examples.long.test.ts), but for the installation', () => {
    const known = commands.filter((line) => /^(npx )?scratchpad /.test(line) || line === 'npm ci');
    assert.deepEqual(commands, known);
    assert.ok(commands.includes('npm ci'));
    assert.ok(commands.includes('npx scratchpad bench --quick'));
  });

  it('lists exactly the exit codes that exist', () => {
    const listed = [...readme.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
    const real = new Set<number>([0, ...Object.values(EXIT_BY_CODE)]);
    assert.deepEqual(
      listed.sort((a, b) => a - b),
      [...real].sort((a, b) => a - b),
    );
  });

  it('has the parts that are made from elsewhere as `npm run results` makes them', () => {
    assert.equal(readme, renderedReadme(root));
  });

  it('lists every command, with a summary', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) as {
      commands: Record<string, unknown>;
    };
    for (const name of Object.keys(manifest.commands)) {
      const row = new RegExp(`^\\| \`scratchpad ${name}[^|]*\` \\| \\w[^|]+\\. \\|$`, 'm');
      assert.match(readme, row, `${name} is not listed`);
    }
  });

  it('is short enough to be read', () => {
    assert.ok(readme.split('\n').length < 220, 'put details into docs/');
  });
});
