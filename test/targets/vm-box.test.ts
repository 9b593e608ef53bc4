/** The box: what it is made of, how its parts are put together, and that a damaged one is seen. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { infraFolder } from '../../cli/host/paths.ts';
import { type Run, runCommand } from '../../cli/targets/command.ts';
import { sha256OfFile } from '../../cli/targets/file-hash.ts';
import { prepareArtifactDisk } from '../../cli/targets/vm/artifact-disk.ts';
import { openBox } from '../../cli/targets/vm/box.ts';
import { buildBox } from '../../cli/targets/vm/box-build.ts';
import { boxRecipe } from '../../cli/targets/vm/box-recipe.ts';
import { cpioArchive } from '../../cli/targets/vm/cpio.ts';
import { missingTools } from '../../cli/targets/vm/host.ts';
import { moduleDepends, moduleName, moduleOrder } from '../../cli/targets/vm/kernel-modules.ts';
import { bootstrapArguments } from '../../cli/targets/vm/package-tree.ts';
import { fetchTree, treeSource } from '../../cli/targets/vm/tree-source.ts';
import { unpackKernel, unpackLz4Legacy } from '../../cli/targets/vm/vmlinux.ts';
import { fakeRun, NEVER, result, withEnvironment } from './harness.ts';

const infra = join(infraFolder, 'vm');

function folderOf(t: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-vm-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the recipe', () => {
  const debian = {
    codename: 'bookworm',
    lines: ['deb http://mirror.example/debian bookworm main'],
  };

  test('is the release of the host, from its own mirrors', () => {
    const recipe = boxRecipe('amd64', infra, debian);
    assert.equal(recipe.distribution, 'debian');
    assert.equal(recipe.kernel, 'linux-image-cloud-amd64');
    assert.deepEqual(bootstrapArguments(recipe, '/work/hook.sh', '/work/out.tar').slice(-5), [
      '--format=tar',
      '--extract-hook="/work/hook.sh" "$1" linux-image-cloud-amd64',
      'bookworm',
      '/work/out.tar',
      '-',
    ]);
    assert.equal(boxRecipe('arm64', infra, debian).kernel, 'linux-image-cloud-arm64');
    const ubuntu = {
      codename: 'noble',
      lines: ['deb http://archive.ubuntu.com/ubuntu noble main'],
    };
    assert.equal(boxRecipe('amd64', infra, ubuntu).kernel, 'linux-image-virtual');
  });

  test('is Debian 12 where the host is neither Debian nor Ubuntu', () => {
    const { codename, sources } = boxRecipe('amd64', infra, null);
    assert.deepEqual([codename, sources], ['bookworm', []]);
  });

  test('has another key when a file of the guest changes, and the same where only its time does', (t) => {
    const copy = join(folderOf(t), 'vm');
    cpSync(infra, copy, { recursive: true });
    const before = boxRecipe('amd64', copy, debian);
    assert.equal(before.key, boxRecipe('amd64', infra, debian).key);
    const unit = join(copy, 'guest/etc/systemd/system/scratchpad.service');
    writeFileSync(unit, `${readFileSync(unit, 'utf8')}# changed\n`);
    const after = boxRecipe('amd64', copy, debian);
    assert.notEqual(after.key, before.key);
    assert.equal(after.packagesKey, before.packagesKey, 'the packages need no new download');
  });
});

describe('the initramfs archive', () => {
  test('has the layout of a newc archive, and the same bytes each time', () => {
    const entry = { path: 'a/f', data: Buffer.from('xyz'), mode: 0o600 };
    const archive = cpioArchive([entry]);
    assert.deepEqual(archive, cpioArchive([entry]));
    const text = archive.toString('latin1');
    assert.deepEqual(text.match(/070701/g)?.length, 3, 'folder, file, trailer');
    assert.equal(archive.length % 4, 0);
    assert.ok(text.includes('a/f\0'));
    assert.ok(text.indexOf('TRAILER!!!') > text.indexOf('xyz'));
    // the file's header: mode and size are the 2nd and 7th fields of 8 hex digits
    const header = text.slice(text.indexOf('070701', 10));
    assert.equal(Number.parseInt(header.slice(14, 22), 16), 0o100600);
    assert.equal(Number.parseInt(header.slice(54, 62), 16), 3);
  });
});

describe('kernel modules', () => {
  const module = (depends: string) =>
    Buffer.from(`ELF…\0license=GPL\0depends=${depends}\0name=x\0`);

  test('are loaded after what they need; what the kernel has built in is passed over', () => {
    const available = new Map([
      ['virtio_net', module('virtio_ring,net_failover')],
      ['net_failover', module('failover')],
      ['failover', module('')],
      ['virtio_ring', module('')],
      ['virtio_blk', module('virtio_ring')],
    ]);
    assert.deepEqual(moduleOrder(['virtio_blk', 'virtio_net', 'virtio-rng'], available), [
      'virtio_ring',
      'virtio_blk',
      'failover',
      'net_failover',
      'virtio_net',
    ]);
  });

  test('are named alike whether the file has dashes or not', () => {
    assert.equal(moduleName('virtio-rng.ko'), 'virtio_rng');
    assert.deepEqual(moduleDepends(module('rng-core')), ['rng_core']);
    assert.deepEqual(moduleDepends(Buffer.from('no info')), []);
  });
});

describe('the packed kernel', () => {
  const uncompressed = (data: Buffer): Buffer => {
    // one LZ4 sequence of literals: token 15, then the rest of the length in bytes of 255
    const lengths: number[] = [];
    let rest = data.length - 15;
    for (; rest >= 255; rest -= 255) lengths.push(255);
    return Buffer.concat([Buffer.from([0xf0, ...lengths, rest]), data]);
  };
  const frame = (block: Buffer): Buffer => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    return Buffer.concat([Buffer.from('02214c18', 'hex'), size, block]);
  };

  test('in LZ4 comes out byte for byte: literals, far copies, and copies over their own output', () => {
    // "abcd" and 12 more by a copy from 4 back (a run), then "xy"
    const block = Buffer.from([0x48, ...Buffer.from('abcd'), 4, 0, 0x20, ...Buffer.from('xy')]);
    assert.equal(unpackLz4Legacy(frame(block)).toString(), `${'abcd'.repeat(4)}xy`);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 15, maxLength: 3000 }), (bytes) => {
        const data = Buffer.from(bytes);
        assert.deepEqual(unpackLz4Legacy(frame(uncompressed(data))), data);
      }),
    );
  });

  test('in LZ4 that refers to before its beginning is refused', () => {
    const block = Buffer.from([0x10, 0x61, 9, 0, 0x00]);
    assert.throws(() => unpackLz4Legacy(frame(block)), /before the beginning/);
    assert.throws(() => unpackLz4Legacy(frame(block).subarray(0, -2)), /ends after the file/);
  });

  const bzImage = (kernel: Buffer): Buffer => {
    const payload = Buffer.concat([gzipSync(kernel), Buffer.alloc(4)]);
    const setup = Buffer.alloc(1024);
    setup[0x1f1] = 1;
    setup.write('HdrS', 0x202, 'latin1');
    setup.writeUInt32LE(0, 0x248);
    setup.writeUInt32LE(payload.length, 0x24c);
    return Buffer.concat([setup, payload]);
  };
  const elf = (noteType: number): Buffer => {
    const file = Buffer.alloc(256);
    file.write('\x7fELF', 0, 'latin1');
    file[4] = 2;
    file.writeBigUInt64LE(64n, 32);
    file.writeUInt16LE(56, 54);
    file.writeUInt16LE(1, 56);
    file.writeUInt32LE(4, 64); // PT_NOTE
    file.writeBigUInt64LE(128n, 72);
    file.writeBigUInt64LE(24n, 96);
    file.writeUInt32LE(4, 128);
    file.writeUInt32LE(8, 132);
    file.writeUInt32LE(noteType, 136);
    file.write('Xen\0', 140, 'latin1');
    return file;
  };

  test('is unpacked where it has a PVH entry, and left as it is where not', () => {
    const kernel = elf(18);
    assert.deepEqual(unpackKernel(bzImage(kernel)), kernel);
    assert.equal(unpackKernel(bzImage(elf(5))), null);
    assert.equal(unpackKernel(bzImage(Buffer.from('not an ELF file'))), null);
    assert.equal(unpackKernel(Buffer.from('too short')), null);
  });
});

describe('a file tree made elsewhere', () => {
  const archive = Buffer.from('an archive');
  const sha256 = createHash('sha256').update(archive).digest('hex');

  async function served(t: Pick<TestContext, 'after'>): Promise<string> {
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/tree.tar' ? 200 : 404).end(archive);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('is taken only with a pinned checksum', () => {
    assert.equal(treeSource({}), null);
    assert.throws(() => treeSource({ SCRATCHPAD_BOX_TREE: 'http://x/tree.tar' }), {
      code: 'BAD_FLAG',
    });
    const env = { SCRATCHPAD_BOX_TREE: 'http://x/tree.tar', SCRATCHPAD_BOX_TREE_SHA256: sha256 };
    const source = treeSource(env);
    assert.deepEqual(source, { location: 'http://x/tree.tar', sha256 });
    const recipe = boxRecipe('amd64', infra, null, source);
    assert.equal(recipe.packagesKey, sha256);
    assert.notEqual(recipe.key, boxRecipe('amd64', infra, null, null).key);
  });

  test('is fetched from an address or a path, and refused where it is another one', async (t) => {
    const folder = folderOf(t);
    const url = await served(t);
    const file = join(folder, 'tree.tar');
    await fetchTree({ location: `${url}/tree.tar`, sha256 }, file, NEVER);
    assert.deepEqual(readFileSync(file), archive);
    const copy = join(folder, 'copy.tar');
    await fetchTree({ location: file, sha256 }, copy, NEVER);
    assert.deepEqual(readFileSync(copy), archive);
    const other = { location: `${url}/tree.tar`, sha256: '0'.repeat(64) };
    await assert.rejects(fetchTree(other, copy, NEVER), { code: 'VM_BOX_CORRUPT' });
    assert.throws(() => readFileSync(copy), { code: 'ENOENT' });
    for (const location of [`${url}/none`, 'http://127.0.0.1:9/tree.tar', join(folder, 'none')]) {
      await assert.rejects(fetchTree({ location, sha256 }, copy, NEVER), {
        code: 'VM_BOX_BUILD_FAILED',
      });
    }
  });
});

describe('a box in the cache', () => {
  async function boxIn(folder: string): Promise<string> {
    const box = join(folder, 'box');
    mkdirSync(box);
    const files: Record<string, { sha256: string; bytes: number }> = {};
    for (const name of ['root.qcow2', 'vmlinux', 'initrd.img']) {
      writeFileSync(join(box, name), `content of ${name}`);
      files[name] = { sha256: await sha256OfFile(join(box, name)), bytes: 1 };
    }
    const manifest = {
      schemaVersion: 1,
      key: 'k',
      distribution: 'debian',
      codename: 'bookworm',
      architecture: 'amd64',
      kernelPackage: 'linux-image-x',
      kernelUnpacked: true,
      files,
    };
    writeFileSync(join(box, 'box.json'), JSON.stringify(manifest));
    return box;
  }

  test('is used only while every byte is what it was', async (t) => {
    const box = await boxIn(folderOf(t));
    assert.equal((await openBox(box)).manifest.codename, 'bookworm');
    writeFileSync(join(box, 'root.qcow2'), 'content of root.qcow3');
    await assert.rejects(openBox(box), {
      code: 'VM_BOX_CORRUPT',
      message: /root.qcow2 has changed/,
    });
    rmSync(join(box, 'root.qcow2'));
    await assert.rejects(openBox(box), {
      code: 'VM_BOX_CORRUPT',
      message: /root.qcow2 is missing/,
    });
    writeFileSync(join(box, 'box.json'), '{');
    await assert.rejects(openBox(box), { code: 'VM_BOX_CORRUPT', message: /box.json/ });
  });

  test('that cannot be built says which step failed, and leaves nothing', async (t) => {
    const folder = folderOf(t);
    const { run } = fakeRun([
      [/mmdebstrap/, { code: 100, stderr: 'E: Unable to locate package systemd' }],
    ]);
    const recipe = boxRecipe('amd64', infra);
    const build = () =>
      buildBox({ recipe, infra, folder: join(folder, 'box'), run, signal: NEVER });
    await assert.rejects(build(), (error: Error & { code: string }) => {
      // where the tools are not installed, that is what it says
      assert.match(error.code, /^VM_(BOX_BUILD_FAILED|PROVIDER_ABSENT)$/);
      if (error.code === 'VM_BOX_BUILD_FAILED') {
        assert.match(String(error.cause), /Unable to locate package systemd/);
      }
      return true;
    });
    assert.throws(() => readFileSync(join(folder, 'box')), { code: 'ENOENT' });
  });

  test('has the guest’s own files open to the service’s user, whatever the umask was', async (t) => {
    const missing = missingTools(true).map(({ program }) => program);
    if (missing.length > 0) return t.skip(`not installed: ${missing.join(', ')}`);
    const folder = folderOf(t);
    const closed = join(folder, 'infra');
    cpSync(infra, closed, { recursive: true });
    execFileSync('chmod', ['-R', 'go=', closed]);
    const location = join(folder, 'packages.tar');
    writeFileSync(location, 'an archive');
    const tree = { location, sha256: await sha256OfFile(location) };
    const recipe = boxRecipe('amd64', closed, null, tree);
    let listing = '';
    const run: Run = async (file, args, options) => {
      const archive = args.find((arg) => arg.endsWith('/guest.tar'));
      if (/\btar$/.test(file)) return runCommand(file, args, options);
      if (!args.some((arg) => arg.endsWith('/make-disk.sh'))) return result();
      // what the next step would unpack, and that the namespace's root may read it
      listing = execFileSync('tar', ['-tvf', archive!], { encoding: 'utf8' });
      for (const path of args.filter((arg) => arg.startsWith('/') && existsSync(arg))) {
        assert.equal(statSync(path).mode & 0o004, 0o004, path);
      }
      return result({ code: 1, stderr: 'enough' });
    };
    const build = buildBox({
      recipe,
      infra: closed,
      folder: join(folder, 'b'),
      run,
      signal: NEVER,
    });
    await assert.rejects(build, { code: 'VM_BOX_BUILD_FAILED' });
    const modes = new Map(
      listing
        .trim()
        .split('\n')
        .map((line) => [line.split(' ').at(-1)!, line.slice(0, 10)]),
    );
    assert.equal(modes.get('./'), 'drwxr-xr-x', listing);
    assert.equal(modes.get('./etc/'), 'drwxr-xr-x');
    assert.equal(modes.get('./usr/lib/scratchpad/run'), '-rwxr-xr-x');
    assert.equal(modes.get('./etc/systemd/system/scratchpad.service'), '-rw-r--r--');
  });
});

describe('the artifact disk', () => {
  test('is made once for one artifact, has the same bytes each time, and is made again when damaged', async (t) => {
    if (spawnSync('/sbin/mke2fs', ['-V']).error) return t.skip('mke2fs is not installed');
    const folder = folderOf(t);
    withEnvironment(t, { SCRATCHPAD_CACHE_DIR: join(folder, 'cache') });
    const source = join(folder, 'workload');
    mkdirSync(source);
    writeFileSync(join(source, 'server.mjs'), 'console.log(1)');
    const node = join(folder, 'node');
    writeFileSync(node, Buffer.alloc(3_000_000, 7), { mode: 0o755 });
    const request = {
      artifact: {
        folder: source,
        entry: 'server.mjs',
        entries: { node: 'server.mjs', deno: 'deno.mjs', bun: 'bun.mjs' },
        sha256: 'a',
        files: { 'server.mjs': { sha256: 'x', bytes: 14 } },
      },
      node: { path: node, version: '24', sha256: 'n', pinned: true },
      run: runCommand,
      signal: NEVER,
    };
    const first = await prepareArtifactDisk(request);
    assert.equal(first.cached, false);
    assert.deepEqual(await prepareArtifactDisk(request), { ...first, cached: true });
    writeFileSync(first.path, 'damaged');
    assert.deepEqual(await prepareArtifactDisk(request), first);
  });
});
