import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { measureTree, type TreeSize } from '../../cli/meters/storage.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-storage-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function sizeOf(path: string): Promise<TreeSize> {
  const size = await measureTree(path);
  if ('unavailable' in size) assert.fail(size.unavailable);
  return size;
}

test('a tree is as large as du says, allocated and apparent', async (t) => {
  const folder = folderFor(t);
  mkdirSync(join(folder, 'a', 'b'), { recursive: true });
  writeFileSync(join(folder, 'one'), Buffer.alloc(123_456, 1));
  writeFileSync(join(folder, 'a', 'two'), 'x');
  writeFileSync(join(folder, 'a', 'b', 'three'), Buffer.alloc(1 << 20, 1));
  linkSync(join(folder, 'one'), join(folder, 'a', 'one-again'));
  symlinkSync('/usr/bin', join(folder, 'elsewhere'));
  writeFileSync(join(folder, 'sparse'), '');
  truncateSync(join(folder, 'sparse'), 50_000_000);
  execFileSync('sync', ['-f', folder]); // ext4 allocates when it writes
  const du = (...flags: string[]) =>
    Number(
      execFileSync('du', ['-s', '-B1', ...flags, folder], { encoding: 'utf8' }).split('\t')[0],
    );
  const size = await sizeOf(folder);
  assert.equal(size.allocatedBytes, du());
  assert.equal(size.apparentBytes, du('--apparent-size'));
  assert.equal(size.files, 5); // one, two, three, sparse, elsewhere; the second link is the same file
  assert.equal(size.folders, 3);
});

test('a sparse file is large to look at and small on the disk', async (t) => {
  const folder = folderFor(t);
  const image = join(folder, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, 1_000_000_000);
  const size = await sizeOf(image);
  assert.equal(size.apparentBytes, 1_000_000_000);
  assert.ok(size.allocatedBytes < 100_000);
});

test('what does not exist is unavailable and not zero', async (t) => {
  const path = join(folderFor(t), 'nothing');
  assert.deepEqual(await measureTree(path), { unavailable: `${path} does not exist` });
});
