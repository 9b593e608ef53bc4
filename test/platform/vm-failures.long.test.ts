/** What goes wrong with real machines under QEMU alone: said, and nothing left. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScratchpadError } from '../../cli/errors.ts';
import { infraFolder } from '../../cli/host/paths.ts';
import { askQmp } from '../../cli/meters/qmp.ts';
import { runCommand } from '../../cli/targets/command.ts';
import { deployTarget } from '../../cli/targets/deploy.ts';
import { downAll } from '../../cli/targets/down.ts';
import { limitsFor, newDeployOptions } from '../../cli/targets/options.ts';
import { freePort } from '../../cli/targets/port.ts';
import { findMarked, OWNER_MARKER } from '../../cli/targets/process-identity.ts';
import { ownerTag } from '../../cli/targets/state.ts';
import type { Deployment, Target } from '../../cli/targets/target.ts';
import { boxFile, openBox, prepareBox, vmCacheFolder } from '../../cli/targets/vm/box.ts';
import { boxRecipe } from '../../cli/targets/vm/box-recipe.ts';
import { findProgram, guestArchitecture } from '../../cli/targets/vm/host.ts';
import { machineFiles } from '../../cli/targets/vm/names.ts';
import type { QemuMachine } from '../../cli/targets/vm/qemu-machine.ts';
import { vm } from '../../cli/targets/vm/vm.ts';
import { NEVER, recordingProgress, withEnvironment } from '../targets/harness.ts';
import { platformTest } from './require.ts';
import { deployAndBeKilled, lab } from './targets-harness.ts';
import { startUpOf } from './vm-harness.ts';

/** Deploys the target with some of its prepared parts exchanged, or less patience. */
async function deployWith(
  handles: Record<string, unknown>,
  maxSilenceMs?: number,
): Promise<Deployment> {
  const target: Target = {
    ...vm,
    async start(...args) {
      const machine = (await vm.start(...args)) as QemuMachine;
      if (maxSilenceMs !== undefined) machine.maxSilenceMs = maxSilenceMs;
      return machine;
    },
    async prepare(plan, progress, signal) {
      const prepared = await vm.prepare(plan, progress, signal);
      return { ...prepared, handles: { ...prepared.handles, ...handles } };
    },
  };
  return deployTarget({
    target,
    options: newDeployOptions({
      port: await freePort(),
      limits: limitsFor('vm'),
      provider: 'qemu',
    }),
    progress: recordingProgress(),
    signal: NEVER,
  });
}

async function failureOf(deployment: Deployment): Promise<ScratchpadError> {
  const error = await startUpOf(deployment).then(
    () => assert.fail('it became ready'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ScratchpadError, String(error));
  return error;
}

describe('a machine that fails', () => {
  platformTest(
    'vm',
    'by a panic of its kernel says so, and its console log is there',
    async (t) => {
      const { folder, assertNothingLeft } = lab(t, 'vm');
      const initrd = join(folder, 'empty.img');
      writeFileSync(initrd, '');
      const deployment = await deployWith({ initrd });
      const error = await failureOf(deployment);
      assert.equal(error.code, 'VM_KERNEL_PANIC');
      const kept = /Kernel panic - not syncing: .*; console log: (.*)$/.exec(String(error.cause));
      assert.match(await deployment.logs(50), /Unable to mount root fs/);
      await deployment.destroy();
      assert.match(readFileSync(kept?.[1] ?? '', 'utf8'), /Unable to mount root fs/);
      assertNothingLeft();
    },
  );

  platformTest('vm', 'half-way names what it lacks', async (t) => {
    const { folder, assertNothingLeft } = lab(t, 'vm');
    const blank = join(folder, 'blank.img');
    writeFileSync(blank, Buffer.alloc(1024 * 1024));
    const deployment = await deployWith({ artifactDisk: blank });
    const error = await failureOf(deployment);
    assert.equal(error.code, 'VM_BOOT_FAILED');
    assert.match(String(error.cause), /cannot mount the artifact disk/);
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('vm', 'by hanging in mid-boot is not waited for to the end', async (t) => {
    const { assertNothingLeft } = lab(t, 'vm');
    const deployment = await deployWith({}, 5_000);
    await waitFor(deployment, /scratchpad: userspace/);
    const { controlSocket } = machineFiles(deployment.state.id);
    await askQmp(controlSocket, [{ execute: 'stop' }]);
    const error = await failureOf(deployment);
    assert.equal(error.code, 'VM_GUEST_HUNG');
    const kept = /hangs in its phase ".+": no line .*; console log: (.*)$/.exec(
      String(error.cause),
    );
    await deployment.destroy();
    assert.match(readFileSync(kept?.[1] ?? '', 'utf8'), /scratchpad: userspace/);
    assertNothingLeft();
  });

  platformTest('vm', 'because its port is taken meanwhile is told by that', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'vm');
    const port = await freePort();
    const thief = createServer();
    t.after(() => thief.close());
    const deployment = await deploy(
      { provider: 'qemu', port },
      { beforeStart: () => new Promise((resolve) => thief.listen(port, '127.0.0.1', resolve)) },
    );
    const error = await failureOf(deployment);
    assert.equal(error.code, 'PORT_IN_USE');
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('vm', 'when it is interrupted during its boot leaves nothing', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'vm');
    const controller = new AbortController();
    const deployment = await deploy({ provider: 'qemu' }, { signal: controller.signal });
    await waitFor(deployment, /Linux version/);
    await deployment.destroy();
    assertNothingLeft();
    controller.abort(new ScratchpadError('INTERRUPTED', 'Interrupted.'));
    await assert.rejects(deploy({ provider: 'qemu' }, { signal: controller.signal }), {
      code: 'INTERRUPTED',
    });
    assertNothingLeft();
  });

  platformTest('vm', 'with the CLI killed is removed by down --all', async (t) => {
    const { folder, assertNothingLeft } = lab(t, 'vm');
    await deployAndBeKilled('vm', folder, 'started');
    assert.equal(findMarked(OWNER_MARKER, ownerTag()).length, 1, 'the machine runs on');
    await downAll(recordingProgress());
    assertNothingLeft();
  });

  platformTest('vm', 'whose box is cut off has it built again before it boots', async (t) => {
    const { folder } = lab(t, 'vm');
    const architecture = guestArchitecture()!;
    const request = { architecture, run: runCommand, signal: NEVER };
    const box = await prepareBox({ ...request, progress: recordingProgress() });
    const [from, to] = [vmCacheFolder(), join(folder, 'cache', 'vm')];
    const copy = join(to, basename(box.folder));
    cpSync(box.folder, copy, { recursive: true });
    // its packages too, so that they are not downloaded again
    const { packagesKey } = boxRecipe(architecture, join(infraFolder, 'vm'));
    for (const name of readdirSync(from)) {
      if (name.startsWith(`packages-${packagesKey.slice(0, 16)}.tar`)) {
        cpSync(join(from, name), join(to, name));
      }
    }
    truncateSync(join(copy, 'root.qcow2'), 1_000_000);
    withEnvironment(t, { SCRATCHPAD_CACHE_DIR: join(folder, 'cache') });
    const progress = recordingProgress();
    const again = await prepareBox({ ...request, progress });
    assert.equal(again.cached, false);
    assert.match(
      progress.warnings.join(),
      /is damaged: root\.qcow2 has changed\. It is built again/,
    );
    assert.equal((await openBox(copy)).folder, again.folder);
    assert.deepEqual(
      readdirSync(to).filter((name) => !/^(box-[0-9a-f]+|packages-.*\.tar(\.sha256)?)$/.test(name)),
      [],
      'nothing half-made is left',
    );
  });

  platformTest('vm', 'because its own disk is full answers with errors, and lives', async (t) => {
    const { folder, assertNothingLeft } = lab(t, 'vm');
    const box = await prepareBox({
      architecture: guestArchitecture()!,
      run: runCommand,
      progress: recordingProgress(),
      signal: NEVER,
    });
    const rootDisk = join(folder, 'small.qcow2');
    shrinkDisk(boxFile(box, 'root.qcow2'), rootDisk);
    const deployment = await deployWith({ rootDisk });
    await startUpOf(deployment);
    const refused = await postUntilRefused(deployment.url);
    assert.ok(refused !== null && refused >= 500, `the last post was answered with ${refused}`);
    assert.equal((await fetch(deployment.url)).status, 200, 'what was written can be read');
    const { alive, detail } = await deployment.liveness();
    assert.equal(alive, true, detail);
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('vm', 'because the host’s disk is full is paused, and says so', async (t) => {
    const { folder, deploy, assertNothingLeft } = lab(t, 'vm');
    const disk = join(folder, 'deployments');
    if (!mountSmallDisk(disk)) return t.skip('vm: mounting a small disk needs root');
    try {
      const deployment = await deploy({ provider: 'qemu' });
      await startUpOf(deployment);
      fill(join(disk, 'filler'));
      const posting = postUntilItFails(deployment.url);
      assert.equal(await untilDead(deployment), 'DISK_FULL');
      await deployment.destroy();
      await posting;
      rmSync(join(disk, 'filler'));
      assertNothingLeft();
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

/** Writes of 9 kB each; the first that is not answered ends it, at the latest the 2,000th. */
async function postUntilItFails(url: string): Promise<void> {
  const content = 'x'.repeat(9_000);
  try {
    for (let number = 0; number < 2_000; number += 1) {
      await fetch(new URL('/create', url), {
        method: 'POST',
        body: new URLSearchParams({ title: `Post ${number}`, content }),
        redirect: 'manual',
        signal: AbortSignal.timeout(60_000),
      });
    }
  } catch {
    // that is what it waits for
  }
}

/** The status of the first post that was not accepted; null: 2,000 were, 18 MB. */
async function postUntilRefused(url: string): Promise<number | null> {
  const content = 'x'.repeat(9_000);
  for (let number = 0; number < 2_000; number += 1) {
    const { status } = await fetch(new URL('/create', url), {
      method: 'POST',
      body: new URLSearchParams({ title: `Post ${number}`, content }),
      redirect: 'manual',
      signal: AbortSignal.timeout(60_000),
    });
    if (status >= 400) return status;
  }
  return null;
}

/** The same file system with 6 MB left in it: with the 2 GB of the box it would take an hour to fill. */
function shrinkDisk(from: string, to: string): void {
  const raw = `${to}.raw`;
  const call = (name: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(findProgram(name) ?? name, args, {
      encoding: 'utf8',
    });
    // 1: e2fsck has mended something, and says so
    assert.ok(status === 0 || (name === 'e2fsck' && status === 1), `${name}: ${stderr}`);
    return stdout;
  };
  call('qemu-img', 'convert', '-O', 'raw', from, raw);
  call('e2fsck', '-fy', raw);
  call('resize2fs', '-M', raw);
  // the smallest that resize2fs makes has some 20 MB left
  const free = Number(/^Free blocks:\s+(\d+)$/m.exec(call('dumpe2fs', '-h', raw))?.[1]) * 4096;
  const filler = `${to}.filler`;
  writeFileSync(filler, Buffer.alloc(free - 6 * 1024 ** 2, 1));
  call('debugfs', '-w', '-R', `write ${filler} filler`, raw);
  call('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, to);
  rmSync(raw);
  rmSync(filler);
}

async function waitFor(deployment: Deployment, pattern: RegExp): Promise<void> {
  const until = performance.now() + 60_000;
  while (!pattern.test(await deployment.logs(500))) {
    if (performance.now() > until) throw new Error(`no ${pattern} on the console`);
    await sleep(20);
  }
}

async function untilDead(deployment: Deployment): Promise<string | undefined> {
  const until = performance.now() + 90_000;
  for (;;) {
    const { alive, code, detail } = await deployment.liveness();
    if (!alive) return code ?? detail;
    if (performance.now() > until) throw new Error('it lives on');
    await sleep(100);
  }
}

function mountSmallDisk(folder: string): boolean {
  try {
    execFileSync('mkdir', ['-p', folder]);
    const options = ['-t', 'tmpfs', '-o', 'size=24m', 'scratchpad-test', folder];
    execFileSync('mount', options, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Until nothing more fits. */
function fill(file: string): void {
  const { bavail, bsize } = statfsSync(join(file, '..'));
  try {
    for (let left = bavail; left > 0; left -= 1) appendFileSync(file, Buffer.alloc(bsize, 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  assert.ok(readdirSync(join(file, '..')).length > 0 && readFileSync(file).length > 0);
}
