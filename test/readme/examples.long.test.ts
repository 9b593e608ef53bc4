/** What the README tells its reader to type works, from the first line to the last. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { root, sandbox } from '../cli/run-cli.ts';
import { requirePlatform } from '../platform/require.ts';
import { commandsOf } from './commands.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** What would take minutes is shortened here, and only what is listed here. */
const SHORTENED: Record<string, string[]> = {
  'load --duration 120': ['load', '--duration', '2'],
  'probe docker': ['probe', 'docker', '--trials', '2'],
  'bench --quick': ['bench', '--quick', '--rounds', '1'],
  bench: ['bench', '--plan'],
};

it('README has examples that work in the order in which they stand', async (t) => {
  if (!requirePlatform(t, 'docker')) return;
  const { run } = sandbox(t);
  for (const line of commandsOf(readme).filter((each) => each !== 'npm ci')) {
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
