/** The image of the pipeline, built here from the same context: its budget, its start, its package list. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { root } from '../cli/run-cli.ts';
import { platformTest } from './require.ts';

function run(file: string, args: string[]) {
  const result = spawnSync(file, args, { cwd: root, encoding: 'utf8', timeout: 240_000 });
  return { code: result.status, said: `${result.stdout}\n${result.stderr}` };
}

/** What the builds of this file said, with the ids of their steps. */
const built: string[] = [];

function build(...args: string[]): ReturnType<typeof run> {
  const result = run('docker', ['build', '--force-rm', ...args]);
  built.push(result.said);
  return result;
}

function succeeds(file: string, args: string[]): void {
  const { code, said } = run(file, args);
  assert.equal(code, 0, said);
}

/** A folder for contexts, and names of images; both go away with the test. */
function bench(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-image-'));
  const images: string[] = [];
  t.after(() => {
    for (const image of images) spawnSync('docker', ['image', 'rm', '--force', image]);
    // what the legacy builder keeps of each step, and of a build that failed
    const steps = [...built.join('\n').matchAll(/^ ---> ([0-9a-f]{12})$/gm)].map(([, id]) => id!);
    for (const id of new Set(steps.reverse())) spawnSync('docker', ['image', 'rm', id]);
    rmSync(folder, { recursive: true, force: true });
  });
  const image = (name: string) => {
    images.push(`scratchpad-pipeline-${name}:${process.pid}`);
    return images.at(-1)!;
  };
  return { folder, image };
}

const writeContext = (...args: string[]) =>
  succeeds(process.execPath, ['--import', 'tsx', 'scripts/docker-context.ts', ...args]);

describe('the image of the pipeline', () => {
  platformTest('docker', 'is built, within its budget, and answers', async (t) => {
    const { folder, image } = bench(t);
    const name = image('default');
    const context = join(folder, 'context');
    writeContext(context);
    const result = build('--tag', name, context);
    assert.equal(result.code, 0, result.said);

    succeeds('bash', ['scripts/image-size.sh', name]);
    const budget = join(folder, 'budget');
    writeFileSync(budget, '1000000\n');
    assert.equal(run('bash', ['scripts/image-size.sh', name, budget]).code, 1);

    succeeds('bash', ['.github/scripts/image-smoke.sh', name]);
    assert.notEqual(run('bash', ['.github/scripts/image-smoke.sh', 'no-such-image:0']).code, 0);

    // what a scanner looks for: without it, it would find no package and no flaw in any
    const status = execFileSync(
      'tar',
      ['xOf', join(context, 'base.tar'), './var/lib/dpkg/status'],
      { encoding: 'utf8' },
    );
    for (const needed of ['libc6', 'libstdc++6', 'bash']) {
      assert.ok(status.split('\n').includes(`Package: ${needed}`), needed);
    }
    const count = (line: RegExp) => status.match(line)?.length;
    assert.equal(count(/^Package:/gm), count(/^Status: install ok installed$/gm));
    assert.match(readFileSync(join(context, 'Dockerfile'), 'utf8'), /^ADD base\.tar \/$/m);
  });
});

describe('the Alpine variant', () => {
  platformTest(
    'docker',
    'ships what is for musl, and its Dockerfile builds and answers',
    async (t) => {
      const { folder, image } = bench(t);
      const alpine = join(folder, 'alpine');
      writeContext('--alpine', alpine);
      const libraries = globSync(join(alpine, 'app/node_modules/@libsql/*/index.node'));
      assert.equal(libraries.length, 1);
      const library = readFileSync(libraries[0]!).toString('latin1');
      assert.ok(library.includes('\0libc.so\0'), 'needs musl’s libc.so');
      assert.ok(!library.includes('libc.so.6'), 'needs nothing of glibc');

      // no Alpine can be had here: a base that has Node where Alpine's has it, with glibc
      const glibc = join(folder, 'glibc');
      writeContext(glibc);
      writeFileSync(
        join(glibc, 'Dockerfile'),
        'FROM scratch\nADD base.tar /\nCOPY bin/node /usr/local/bin/node\n',
      );
      const base = image('stand-in');
      const standIn = build('--tag', base, glibc);
      assert.equal(standIn.code, 0, standIn.said);
      const onStandIn = `--build-arg=BASE_IMAGE=${base}`;
      const wrong = build(onStandIn, '--tag', image('musl-on-glibc'), alpine);
      assert.notEqual(wrong.code, 0, 'the check in the build notices a library for another libc');
      assert.match(wrong.said, /server\.mjs migrate/);

      rmSync(join(alpine, 'app'), { recursive: true });
      cpSync(join(glibc, 'app'), join(alpine, 'app'), { recursive: true });
      const name = image('alpine');
      const right = build(onStandIn, '--tag', name, alpine);
      assert.equal(right.code, 0, right.said);
      succeeds('bash', ['.github/scripts/image-smoke.sh', name]);
    },
  );
});
