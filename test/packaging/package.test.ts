/** The package as a stranger gets it: packed from a clean copy, installed outside of any checkout. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../cli/targets/port.ts';
import { root } from '../cli/run-cli.ts';
import { type Installed, installGlobally, type Packed, pack } from './packed.ts';

const MB = 1e6;
const isCheckout = existsSync(join(root, '.git'));

describe('the package', { skip: isCheckout ? false : 'not a checkout: nothing to pack' }, () => {
  let packed: Packed;
  let installed: Installed;
  before(async () => {
    packed = await pack();
    installed = await installGlobally(packed);
  });
  after(() => packed?.dispose());

  it('holds the bundles, the manifest, the infra files and the scenarios', () => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of [
      'cli/bin/run.js',
      'dist/cli/main.js',
      'dist/cli/help.txt',
      'dist/cli/load/worker.js',
      'dist/cli/THIRD_PARTY_LICENSES.txt',
      'dist/workload/THIRD_PARTY_LICENSES.txt',
      'dist/workload/artifact.json',
      'dist/workload/server.mjs',
      'dist/types/load/modules/benchmark.d.ts',
      'dist/types/targets/kit.d.ts',
      'fixtures/benchmarks/database.mjs',
      'fixtures/targets/nice.mjs',
      'infra/docker/Dockerfile',
      'infra/vagrant/Vagrantfile',
      'infra/host/join-and-exec.sh',
      'fixtures/posts.json',
      'fixtures/scenarios/mixed.json',
      'oclif.manifest.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
    ]) {
      assert.ok(paths.includes(path), `${path} is missing`);
    }
    assert.ok(
      paths.some((path) => /^dist\/workload\/node_modules\/@libsql\/.*\.node$/.test(path)),
      'the native libSQL is missing',
    );
  });

  it('holds no test, no source, no source map, and keeps to its size', () => {
    const stray = packed.files.filter(({ path }) =>
      /^(test|scripts|workload|\.|cli\/(?!bin\/))|\.map$|(?<!\.d)\.ts$|\.test\./.test(path),
    );
    assert.deepEqual(stray, []);
    assert.ok(packed.sizeBytes < 8 * MB, `${packed.sizeBytes} bytes packed, budget 8 MB`);
    assert.ok(packed.unpackedBytes < 20 * MB, `${packed.unpackedBytes} bytes, budget 20 MB`);
  });

  it('has nothing to run or to build on the user’s machine', () => {
    const read = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const manifest = read(installed.packageFolder);
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.devDependencies, undefined);
    assert.equal(manifest.version, read(root).version);
    // its native libSQL is this machine's
    assert.deepEqual([manifest.os, manifest.cpu], [[process.platform], [process.arch]]);
    assert.equal(manifest.license, 'MIT');
    assert.doesNotMatch(installed.said, /install-scripts|allow-scripts/);
    // the copy that was packed has its own manifest back
    assert.ok(read(join(packed.folder, 'copy')).scripts.prepare);
  });

  it('holds the licence of every package that is in its bundles', () => {
    const folder = join(installed.packageFolder, 'dist', 'cli');
    const text = readFileSync(join(folder, 'THIRD_PARTY_LICENSES.txt'), 'utf8');
    // the bundler names each module above its code
    const bundled = new Set(
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.js'))
        .flatMap((file) => [
          ...readFileSync(join(folder, file), 'utf8').matchAll(
            /^\/\/ .*node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm,
          ),
        ])
        .map(([, name]) => name!),
    );
    for (const name of ['@oclif/core', 'echarts', 'ky', 'zod']) assert.ok(bundled.has(name), name);
    for (const name of bundled) {
      assert.match(
        text,
        new RegExp(`^${name.replaceAll('.', '\\.')} \\d\\S* \\(.+\\)$`, 'm'),
        name,
      );
    }
    // Apache-2.0 asks for its NOTICE too
    assert.match(text, /^echarts [\s\S]*Apache License[\s\S]*Apache ECharts\nCopyright/m);
    assert.doesNotMatch(text, /\(unknown\)$/m);
  });

  it('has types that a module from outside is checked against', () => {
    const folder = join(packed.folder, 'typed');
    mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
    symlinkSync(installed.packageFolder, join(folder, 'node_modules', 'scratchpad'));
    symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
    cpSync(join(installed.packageFolder, 'fixtures/targets/nice.mjs'), join(folder, 'nice.mjs'));
    writeFileSync(
      join(folder, 'wrong.ts'),
      "import type { Benchmark } from 'scratchpad/benchmark';\nexport const wrong: Benchmark = { setup() {} };\n",
    );
    const check = (...files: string[]) => {
      const compilerOptions = {
        ...{ strict: true, noImplicitAny: false, checkJs: true, noEmit: true, skipLibCheck: true },
        ...{ module: 'nodenext', target: 'es2024', types: ['node'], preserveSymlinks: true },
      };
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      return spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' }).stdout;
    };
    assert.equal(check('nice.mjs'), '');
    assert.match(check('wrong.ts'), /Property 'run' is missing/);
  });

  it('tells its version with the commit that it was built from', async () => {
    const { code, stdout } = await installed.run(['--version']);
    assert.equal(code, 0);
    const head = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' });
    const match = /^scratchpad \d+\.\d+\.\d+ \(([0-9a-f]{7,40})(-modified)?\)\n$/.exec(stdout);
    assert.ok(match && head.startsWith(match[1]!), stdout);
  });

  it('helps, and checks the host', async () => {
    const help = await installed.run(['--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /COMMANDS/);
    assert.equal((await installed.run(['load', '--help'])).code, 0);
    const doctor = await installed.run(['doctor', '--json']);
    assert.equal(doctor.code, 0, doctor.stderr);
    assert.ok(JSON.parse(doctor.stdout));
  });

  it('deploys, probes, loads, compares and removes from a folder of the user’s', async () => {
    const cwd = join(packed.folder, 'somewhere', 'else');
    mkdirSync(cwd, { recursive: true });
    const run = async (...args: string[]) => {
      const result = await installed.run(args, { cwd });
      // a busy host may make a load client-limited, and that is said with exit 4
      const fine = args[0] === 'load' ? [0, 4] : [0];
      assert.ok(fine.includes(result.code ?? -1), `${args.join(' ')}\n${result.stderr}`);
      return result.stdout;
    };
    const before = readdirSync(installed.packageFolder, { recursive: true }).length;
    await run('deploy', 'bare', '--port', String(await freePort()));
    await run('probe', 'bare', '--trials', '2');
    await run('load', 'bare', '--connections', '2', '--duration', '1');
    await run('load', 'bare', '--connections', '2', '--duration', '1');
    const records = readdirSync(join(cwd, 'results')).map((file) => join('results', file));
    assert.equal(records.length, 3);
    const loads = records.filter((file) => file.includes('load-'));
    assert.match(await run('compare', '--force', ...loads), /bare/);
    await run('down', 'bare');
    assert.match(await run('status'), /nothing/);
    assert.deepEqual(readdirSync(cwd), ['results']);
    const now = readdirSync(installed.packageFolder, { recursive: true }).length;
    assert.equal(now, before, 'something was written into the package');
  });
});
