/** The artifact of a guest that is set up by hand: Linux's, whatever this host is, and as pinned. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  buildGuest,
  fetchPackage,
  GUEST_PROCESSORS,
  guestPackages,
  type LockedPackage,
  lockedPackage,
  type Pack,
} from '../../scripts/guest-artifact.ts';
import { root } from '../cli/run-cli.ts';

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

function temporary(t: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-guest-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A registry with one package, and the lock file's line for it. */
function registry(t: Pick<TestContext, 'after'>): {
  wanted: LockedPackage;
  pack: Pack;
  asked: string[];
} {
  const folder = temporary(t);
  mkdirSync(join(folder, 'package', 'bin'), { recursive: true });
  writeFileSync(join(folder, 'package', 'package.json'), '{"name":"@a/b","version":"1.2.3"}');
  writeFileSync(join(folder, 'package', 'bin', 'node'), 'a program', { mode: 0o755 });
  execFileSync('tar', ['-czf', 'b.tgz', 'package'], { cwd: folder });
  const tarball = readFileSync(join(folder, 'b.tgz'));
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const asked: string[] = [];
  const pack: Pack = (spec, into) => {
    asked.push(spec);
    writeFileSync(join(into, 'a-b-1.2.3.tgz'), tarball);
  };
  return { wanted: { name: '@a/b', version: '1.2.3', integrity }, pack, asked };
}

describe('the artifact of a guest that is set up by hand', () => {
  it('has packages of Linux, each of them pinned with a hash, one version of Node for all', () => {
    const versions = GUEST_PROCESSORS.flatMap((processor) => {
      const { node, libsql } = guestPackages(processor);
      assert.match(lockedPackage(lock, libsql).integrity, /^sha512-/);
      return lockedPackage(lock, node).version;
    });
    assert.equal(new Set(versions).size, 1);
    assert.throws(() => lockedPackage(lock, '@libsql/linux-s390x-gnu'), /pins no @libsql/);
    const unpinned = { packages: { 'node_modules/x': { version: '1.0.0' } } };
    assert.throws(() => lockedPackage(unpinned, 'x'), /pins no x/);
  });

  it('takes a package once, and only with the bytes that are pinned', (t) => {
    const folder = temporary(t);
    const { wanted, pack, asked } = registry(t);
    const place = fetchPackage(wanted, folder, pack);
    assert.equal(readFileSync(join(place, 'bin', 'node'), 'utf8'), 'a program');
    assert.equal(fetchPackage(wanted, folder, pack), place);
    assert.deepEqual(asked, ['@a/b@1.2.3']);
    rmSync(place, { recursive: true });
    const other = { ...wanted, integrity: `sha512-${'A'.repeat(86)}==` };
    assert.throws(() => fetchPackage(other, folder, pack), /is not what package-lock\.json pins/);
    assert.equal(existsSync(place), false);
    assert.deepEqual(readdirSync(folder), ['node_modules'], 'nothing half-made is left');
    assert.throws(() => fetchPackage(wanted, folder, () => {}), /npm fetched no @a\/b@1\.2\.3/);
  });

  const processor = GUEST_PROCESSORS.find((name) => name === process.arch);
  const names = processor && guestPackages(processor);
  const isHere = names && existsSync(join(root, 'node_modules', names.node, 'bin', 'node'));
  it('is made of this checkout’s own packages where they are Linux’s', {
    skip: isHere ? false : 'no Linux packages are installed here',
  }, async (t) => {
    const folder = await buildGuest(processor!, temporary(t));
    const artifact = JSON.parse(
      readFileSync(join(folder, 'workload', 'artifact.json'), 'utf8'),
    ) as {
      nativeTargets: string[];
      files: Record<string, unknown>;
    };
    assert.deepEqual(artifact.nativeTargets, [`linux-${processor}-gnu`]);
    assert.ok(Object.keys(artifact.files).some((file) => file.endsWith('.node')));
    const node = join(folder, 'node');
    assert.equal(statSync(node).mode & 0o111, 0o111);
    if (process.platform === 'linux') {
      const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
      assert.equal(version, `v${lockedPackage(lock, names!.node).version}`);
    }
  });
});
