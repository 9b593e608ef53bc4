/** The command tree and every help text as goldens: `npm run goldens` updates them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { bin, root } from './run-cli.ts';

const UPDATE = process.env['UPDATE_GOLDENS'] === '1';
const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: Record<
    string,
    { summary?: string; examples?: string[]; flags: Record<string, unknown> }
  >;
};
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
};

function help(...args: string[]): string {
  const text = execFileSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '100', NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  return text.replace(/scratchpad\/\S+ \S+ node-v\S+/, 'scratchpad/VERSION');
}

function golden(name: string, text: string): void {
  const file = join(root, 'test/cli/golden', `${name}.txt`);
  if (UPDATE) writeFileSync(file, text);
  assert.ok(existsSync(file), `no golden ${file}: run \`npm run goldens\``);
  assert.equal(
    text,
    readFileSync(file, 'utf8'),
    `help has changed: look, then \`npm run goldens\``,
  );
}

describe('help', () => {
  it('lists every command on the fast path', () => {
    golden('root', help());
    assert.equal(help('--help'), help());
    assert.equal(help('help'), help());
  });

  for (const name of Object.keys(manifest.commands).sort()) {
    it(`explains ${name}`, () => golden(name, help(name, '--help')));

    it(`gives ${name} a summary, an example and --json`, () => {
      const { summary, examples, flags } = manifest.commands[name]!;
      assert.ok(summary?.endsWith('.'));
      assert.ok(examples && examples.length > 0);
      assert.ok('json' in flags);
    });
  }

  it('holds exactly the commands of the stable interface', () => {
    assert.deepEqual(Object.keys(manifest.commands).sort(), [
      'bench',
      'compare',
      'completion',
      'deploy',
      'doctor',
      'down',
      'load',
      'probe',
      'report',
      'status',
    ]);
  });

  it('tells the version', () => {
    assert.ok(help('--version').startsWith(`scratchpad ${version}`));
  });

  it('fits 100 columns', () => {
    for (const line of help().split('\n')) assert.ok(line.length <= 100, line);
  });
});
