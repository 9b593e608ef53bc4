import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { recordSchema } from '../../cli/record/schema.ts';
import { root } from '../cli/run-cli.ts';

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;
/** Tracked files; none where this is not a checkout (a tarball). */
const tracked = existsSync(join(root, '.git'))
  ? execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
  : [];

describe('the repository', () => {
  it('says why it has each dependency: add its line to docs/decisions/dependencies.md', () => {
    const text = read('docs/decisions/dependencies.md');
    const listed = [...text.matchAll(/^\| ([^|]+) \|/gm)]
      .flatMap((match) => match[1]!.split(','))
      .map((name) => name.trim())
      .filter((name) => name !== 'package' && !/^-+$/.test(name));
    const installed = Object.keys({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
    });
    assert.deepEqual(listed.sort(), installed.sort());
  });

  it('pins one version of Node for every platform', () => {
    const versions = new Set(Object.values(manifest.optionalDependencies));
    assert.equal(versions.size, 1, [...versions].join());
    assert.match([...versions][0]!, /^24\.\d+\.\d+$/);
  });

  it('has a lock file without addresses of machines: set omit-lockfile-registry-resolved', () => {
    assert.doesNotMatch(
      read('package-lock.json'),
      /"resolved": "https?:\/\/(?!registry\.npmjs\.org)/,
    );
  });

  it('tracks nothing that is built or measured: dist/, results/, coverage/', () => {
    const wrong = tracked.filter((file) =>
      /^(dist|results|coverage|node_modules)(\/|$)/.test(file),
    );
    assert.deepEqual(wrong, []);
  });

  it('has no helper drawers: name a file for its noun or verb', () => {
    const wrong = tracked.filter((file) => /(^|\/)(utils?|helper|misc)(\/|\.ts$)/.test(file));
    assert.deepEqual(wrong, []);
  });

  it('keeps files small: over 400 lines wants a reason here', () => {
    const reasons: Record<string, string> = {
      'cli/targets/vm/vagrant-machine.ts': 'one machine’s whole life, whose steps share its state',
      'cli/targets/vm/qemu-machine.ts': 'one machine’s whole life, whose steps share its state',
    };
    const long = tracked
      .filter(
        (file) => /^(cli|workload|scripts)\/.*\.ts$/.test(file) && existsSync(join(root, file)),
      )
      .map((file) => [file, read(file).split('\n').length] as const)
      .filter(([file, lines]) => lines > 400 && !(file in reasons));
    assert.deepEqual(long, []);
  });

  it('has sample records that obey the schema', () => {
    const samples = tracked.filter((file) => /^fixtures\/records\/.*\.json$/.test(file));
    for (const file of samples) {
      const result = recordSchema.safeParse(JSON.parse(read(file)));
      assert.ok(result.success, `${file}: ${result.error?.issues[0]?.message}`);
    }
  });
});
