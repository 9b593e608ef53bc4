/** docs/TROUBLESHOOTING.md: its codes are those of the CLI, its examples are what the CLI prints. */
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ErrorCode, EXIT_BY_CODE } from '../../cli/errors.ts';
import { writeRecord } from '../../cli/record/store.ts';
import { root, sandbox } from '../cli/run-cli.ts';
import { requirePlatform } from '../platform/require.ts';
import { type BenchOptions, DOCKER, generateBench } from '../report/bench-generator.ts';
import { examplesOf } from './markdown.ts';

const text = readFileSync(join(root, 'docs/TROUBLESHOOTING.md'), 'utf8');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** Codes, not the variables of the environment that are set in the same type. */
const codesIn = (words: string) =>
  [...words.matchAll(/`([A-Z][A-Z_]{2,})`/g)]
    .map((match) => match[1]!)
    .filter((name) => !/^(DOCKER|SCRATCHPAD)_/.test(name));
/** All that the CLI consists of, but for the list of codes itself. */
const sources = globSync('cli/**/*.ts', { cwd: root })
  .filter((file) => file !== 'cli/errors.ts')
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n');

describe('error codes in the documents', () => {
  const documented = new Set(
    [...text.matchAll(/^###? .*$/gm)]
      .flatMap(([line]) => codesIn(line))
      .concat(codesIn(text.slice(text.indexOf('## Others')))),
  );

  it('exist, and the CLI raises them', () => {
    for (const code of [...documented, ...codesIn(readme)]) {
      assert.ok(code in EXIT_BY_CODE, `${code} is not an error code`);
      assert.match(sources, new RegExp(`'${code}'`), `nothing in cli/ raises ${code}`);
    }
  });

  it('are complete: each code has its entry in docs/TROUBLESHOOTING.md', () => {
    const missing = Object.keys(EXIT_BY_CODE).filter((code) => !documented.has(code));
    assert.deepEqual(missing, []);
  });

  it('stand under the exit code that they end with', () => {
    for (const section of text.split(/^## /m).slice(1)) {
      const exit = /exit code (\d+)/.exec(section.split('\n')[0]!)?.[1];
      if (exit === undefined) continue;
      for (const [heading] of section.matchAll(/^### .*$/gm)) {
        for (const code of codesIn(heading)) {
          assert.equal(EXIT_BY_CODE[code as ErrorCode], Number(exit), code);
        }
      }
    }
  });

  it('of the README have their entry', () => {
    for (const code of codesIn(readme)) assert.ok(documented.has(code), code);
  });
});

describe('examples in docs/TROUBLESHOOTING.md', () => {
  const examples = examplesOf(text);

  it('are there', () => {
    assert.ok(examples.length >= 9, String(examples.length));
  });

  for (const { command, output } of examples) {
    it(`${command} prints what is shown`, async (t) => {
      // without a docker command the error is another one
      if (command.includes('DOCKER_HOST') && !requirePlatform(t, 'docker')) return;
      const { folder, run } = sandbox(t);
      prepare(folder);
      const port = /--port (\d+)/.exec(command)?.[1];
      const server = port === undefined ? null : await listenOn(Number(port));
      try {
        const [, settings = '', words = ''] = /^((?:[A-Z_]+=\S+ )*)scratchpad (.*)$/.exec(command)!;
        const env = Object.fromEntries(
          settings
            .trim()
            .split(' ')
            .filter(Boolean)
            .map((each) => each.split(/=(.*)/s).slice(0, 2) as [string, string]),
        );
        const { code, stderr } = await run(argumentsOf(words), { env });
        const printed = errorOf(stderr);
        assert.match(printed, patternOf(output), `${command} printed\n${printed}`);
        const name = /^error (\w+)/.exec(printed)![1] as ErrorCode;
        assert.equal(code, EXIT_BY_CODE[name]);
      } finally {
        server?.close();
      }
    });
  }
});

/** What the examples name: records that are cut off or foreign, two benches, a slow docker. */
function prepare(folder: string): void {
  writeFileSync(join(folder, 'cut.json'), '{ "schemaVersion": 1,');
  writeFileSync(join(folder, 'foreign.json'), '{ "schemaVersion": 9 }');
  putBench(join(folder, 'bench'), {});
  putBench(join(folder, 'old'), { id: 'old', labels: { docker: DOCKER } });
  putBench(join(folder, 'new'), {
    id: 'new',
    labels: { docker: DOCKER },
    artifactSha256: 'f'.repeat(64),
  });
}

function putBench(folder: string, options: BenchOptions): void {
  const { bench, trials } = generateBench({ rounds: 6, durationMs: 2000, bare: true, ...options });
  writeRecord(join(folder, 'bench.json'), bench);
  trials.forEach((trial, i) => {
    writeRecord(join(folder, bench.trials[i]!), trial);
  });
}

async function listenOn(port: number) {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  return server;
}

/** Words of a command line; single quotes hold one together. */
function argumentsOf(words: string): string[] {
  return [...words.matchAll(/'([^']*)'|(\S+)/g)].map((match) => (match[1] ?? match[2])!);
}

/** From the line with the error on. */
function errorOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '');
  return lines.slice(lines.findIndex((line) => line.startsWith('error '))).join('\n');
}

function patternOf(output: string[]): RegExp {
  const escaped = output
    .join('\n')
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('…', '[^\\n]*');
  return new RegExp(`^${escaped}$`);
}
