/** What a press of Tab offers, in real shells. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { bin } from './run-cli.ts';

function script(shell: string): string {
  return execFileSync(process.execPath, [bin, 'completion', shell], { encoding: 'utf8' });
}

function has(t: TestContext, shell: string): boolean {
  if (spawnSync(shell, ['-c', 'true']).status === 0) return true;
  t.skip(`${shell} is not installed`);
  return false;
}

/** A folder with the script, a record and a module. */
function folderWith(t: TestContext, shell: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-completion-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'completion'), script(shell));
  for (const name of ['my target.mjs', 'record.json']) writeFileSync(join(folder, name), '');
  return folder;
}

const CASES: Array<[typed: string, offered: string[]]> = [
  ['de', ['deploy']],
  ['do', ['doctor', 'down']],
  ['load --arr', ['--arrival']],
  ['load --arrival ', ['constant', 'poisson']],
  ['compare --format m', ['markdown']],
  ['deploy do', ['docker']],
  ['bench --targets bare,', ['bare,docker', 'bare,docker,vm']],
  ['deploy my', ['my target.mjs']],
  ['compare rec', ['record.json']],
  ['load --scenario mi', ['mixed']],
  ['load --rate ', []],
];

describe('completion', () => {
  it('in bash', (t) => {
    if (!has(t, 'bash')) return;
    const folder = folderWith(t, 'bash');
    for (const [typed, offered] of CASES) {
      const words = ['scratchpad', ...typed.split(' ')];
      const quoted = words.map((word) => `'${word}'`).join(' ');
      const program = `source ./completion; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _scratchpad 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const out = execFileSync('bash', ['--norc', '-c', program], {
        cwd: folder,
        encoding: 'utf8',
      });
      assert.deepEqual(out.split('\n').filter(Boolean).sort(), offered, typed);
    }
    // bash itself cuts --format=js into three words
    const equals = `source ./completion; COMP_WORDS=(scratchpad compare --format = js); COMP_CWORD=4; _scratchpad; echo "\${COMPREPLY[@]}"`;
    assert.equal(
      execFileSync('bash', ['-c', equals], { cwd: folder, encoding: 'utf8' }).trim(),
      'json',
    );
  });

  it('in fish', (t) => {
    if (!has(t, 'fish')) return;
    const folder = folderWith(t, 'fish');
    for (const [typed, offered] of CASES) {
      const program = `source ./completion; complete -C 'scratchpad ${typed}'`;
      const out = execFileSync('fish', ['--no-config', '-c', program], {
        cwd: folder,
        encoding: 'utf8',
      });
      const words = out.split('\n').map((line) => line.split('\t')[0]!.replaceAll('\\', ''));
      assert.deepEqual(words.filter(Boolean).sort(), offered, typed);
    }
  });

  it('in zsh', (t) => {
    if (!has(t, 'zsh')) return;
    const folder = folderWith(t, 'zsh');
    // an interactive zsh in a pseudo-terminal of zsh's own; Tab lists, Ctrl-C drops the line
    for (const [typed, offered] of [
      ['do', ['doctor', 'down']],
      ['load --arrival ', ['constant', 'poisson']],
      ['compare --format ', ['csv', 'json', 'table']],
      ['deploy ', ['bare', 'docker', 'vm']],
    ] as const) {
      const program = `
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z 'PS1=; autoload -Uz compinit; compinit -u -D; source ./completion; print rea''dy'
        zpty -r -m z line '*ready*'
        zpty -n -w z 'scratchpad ${typed}'$'\\t\\t'
        zpty -r -m z line '*${offered.at(-1)}*'
        print -r -- "$line"
        zpty -d z`;
      const out = execFileSync('zsh', ['-f', '-c', program], {
        cwd: folder,
        encoding: 'utf8',
        timeout: 20_000,
      });
      for (const word of offered) assert.ok(out.includes(word), `${typed}: ${out}`);
    }
  });

  it('guesses the shell from $SHELL, and says which there are', () => {
    const run = (shell: string, ...args: string[]) =>
      spawnSync(process.execPath, [bin, 'completion', ...args], {
        encoding: 'utf8',
        env: { ...process.env, SHELL: shell },
      });
    assert.match(run('/bin/zsh').stdout, /^#compdef scratchpad/);
    const unknown = run('/bin/csh');
    assert.equal(unknown.status, 2);
    assert.match(unknown.stderr, /BAD_FLAG[\s\S]*bash, zsh, fish/);
  });
});
