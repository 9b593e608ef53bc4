/** The README says only what is so: its commands run, its tables match the code. Links: test/docs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EXIT_BY_CODE } from '../../cli/errors.ts';
import { renderedReadme } from '../../scripts/results.ts';
import { root, sandbox } from '../cli/run-cli.ts';
import { requirePlatform } from '../platform/require.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The lines of every ```sh block, in order. */
const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap((match) => match[1]!.split('\n'))
  .map((line) => line.trim())
  .filter(Boolean);

/** What would take minutes is shortened here, and only what is listed here. */
const SHORTENED: Record<string, string[]> = {
  'load --duration 120': ['load', '--duration', '2'],
  'probe docker': ['probe', 'docker', '--trials', '2'],
  'bench --quick': ['bench', '--quick', '--rounds', '1'],
  bench: ['bench', '--plan'],
};

describe('README', () => {
  it('shows commands that are run here, but for the installation', () => {
    const known = commands.filter((line) => /^(npx )?scratchpad /.test(line) || line === 'npm ci');
    assert.deepEqual(commands, known);
    assert.ok(commands.includes('npm ci'));
    assert.ok(commands.includes('npx scratchpad bench --quick'));
  });

  it('has examples that work in the order in which they stand', async (t) => {
    if (!requirePlatform(t, 'docker')) return;
    const { run } = sandbox(t);
    for (const line of commands.filter((each) => each !== 'npm ci')) {
      const text = line.replace(/^(npx )?scratchpad /, '');
      const args = SHORTENED[text] ?? text.split(' ');
      const { code, stdout, stderr } = await run(args, { timeoutMs: 400_000 });
      // A busy host may make a load client-limited, and that is said with exit 4: not the README's fault.
      const fine = args[0] === 'load' ? [0, 4] : [0];
      assert.ok(fine.includes(code ?? -1), `${line} ended with ${code}:\n${stderr}`);
      assert.ok(stdout.length > 0, `${line} printed nothing`);
    }
    assert.equal((await run(['down', '--all'])).code, 0);
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
