/** The bare target for real: its cgroup, its ceilings, its ends. Needs Linux and a writable cgroup. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { nodeBinary } from '../../cli/targets/artifact.ts';
import type { BareResources } from '../../cli/targets/bare/deployment.ts';
import { attachDeployment } from '../../cli/targets/deploy.ts';
import { downAll } from '../../cli/targets/down.ts';
import { waitUntilGone } from '../../cli/targets/process-identity.ts';
import { deploymentFolder, findDeployment, ownerTag } from '../../cli/targets/state.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { recordingProgress } from '../targets/harness.ts';
import { platformTest } from './require.ts';
import { deployAndBeKilled, lab, ready } from './targets-harness.ts';

const MIB = 1024 * 1024;

function resources(deployment: Deployment): BareResources & { process: { pid: number } } {
  return deployment.state.resources as unknown as BareResources & { process: { pid: number } };
}

describe('the bare target', () => {
  platformTest(
    'cgroup',
    'runs the one artifact in its own cgroup, from its first instant',
    async (t) => {
      const { deploy, assertNothingLeft } = lab(t, 'bare');
      const deployment = await deploy({ cpuSet: [0] });
      const { pid } = resources(deployment).process;
      await ready(deployment);
      await verifyInside(deployment);

      const name = `scratchpad/${ownerTag()}-${deployment.state.id}`;
      const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
      const cgroup = resources(deployment).cgroup!;
      const joined = groups.filter((line) => line.endsWith(name)).length;
      assert.equal(joined, new Set(Object.values(cgroup.folders)).size, groups.join('\n'));

      const { path } = await nodeBinary();
      assert.equal(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0], path);
      assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Cpus_allowed_list:\s+0$/m);
      // the CPU time of the cgroup is all that the process has used: nothing was spent elsewhere
      const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .split(') ')[1]!
        .split(' ')
        .slice(11, 13);
      const meter = await deployment.meter();
      const { cpu } = await meter.read();
      await meter.close();
      const processMs = (Number(utime) + Number(stime)) * 10;
      assert.ok(
        typeof cpu.totalMs === 'number' && cpu.totalMs >= processMs - 20,
        `${cpu.totalMs} < ${processMs}`,
      );

      await deployment.destroy();
      assertNothingLeft();
    },
  );

  platformTest('cgroup', 'has the ceilings that were asked for', async (t) => {
    const { deploy } = lab(t, 'bare');
    const limits = { profile: 'custom', cpus: 0.5, memoryBytes: 200 * MIB } as const;
    const { folders, version, warnings } = resources(await deploy({ limits })).cgroup!;
    assert.deepEqual(warnings, []);
    const read = (folder: string | undefined, file: string) =>
      readFileSync(join(folder!, file), 'utf8').trim();
    if (version === 1) {
      assert.equal(read(folders.cpu, 'cpu.cfs_quota_us'), '50000');
      assert.equal(read(folders.memory, 'memory.limit_in_bytes'), String(200 * MIB));
      assert.equal(read(folders.pids, 'pids.max'), '256');
    } else {
      assert.equal(read(folders.unified, 'cpu.max'), '50000 100000');
      assert.equal(read(folders.unified, 'memory.max'), String(200 * MIB));
      assert.equal(read(folders.unified, 'pids.max'), '256');
    }
  });

  platformTest('cgroup', 'that hits its memory ceiling says that it did', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'bare');
    const limits = { profile: 'custom', cpus: 1, memoryBytes: 16 * MIB } as const;
    const deployment = await deploy({ limits });
    assert.equal(await waitUntilGone([resources(deployment).process], 30_000), true);
    const { alive, detail } = await deployment.liveness();
    assert.equal(alive, false);
    assert.match(detail, /out of memory/);
    await assert.rejects(deployment.meter(), { code: 'TARGET_DIED' });
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('cgroup', 'inherits nothing of the caller’s environment', async (t) => {
    const { deploy } = lab(t, 'bare');
    process.env['NODE_OPTIONS_TEST_LEAK'] = 'leaked';
    t.after(() => delete process.env['NODE_OPTIONS_TEST_LEAK']);
    const deployment = await deploy();
    const environment = readFileSync(`/proc/${resources(deployment).process.pid}/environ`, 'utf8');
    const names = environment
      .split('\0')
      .filter(Boolean)
      .map((line) => line.split('=')[0]);
    // the shell that joins the cgroup adds PWD (and dash OLDPWD, _)
    assert.deepEqual(
      names.filter((name) => !['PWD', 'OLDPWD', '_', 'SHLVL'].includes(name!)).sort(),
      [
        'NODE_ENV',
        'PATH',
        'SCRATCHPAD_DB_URL',
        'SCRATCHPAD_DEPLOYMENT',
        'SCRATCHPAD_HOST',
        'SCRATCHPAD_LOG',
        'SCRATCHPAD_NONCE',
        'SCRATCHPAD_OWNER',
        'SCRATCHPAD_PORT',
        'SCRATCHPAD_SEED',
        'TZ',
      ],
    );
  });

  platformTest(
    'cgroup',
    'stops in order and starts again with its data and ceilings',
    async (t) => {
      const { deploy, assertNothingLeft } = lab(t, 'bare');
      const deployment = await deploy();
      await ready(deployment);
      const created = await fetch(new URL('/api/posts', deployment.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ title: 'kept', content: 'over a restart' }),
      });
      assert.equal(created.status, 201);
      await deployment.stop();
      assert.match((await deployment.liveness()).detail, /exited with 0/);
      assert.equal(findDeployment('bare')?.phase, 'stopped');
      const first = deployment.startedAtNs!;
      await deployment.restart();
      assert.ok(deployment.startedAtNs! > first);
      await ready(deployment);
      assert.match(await (await fetch(deployment.url)).text(), /kept/);
      const { pid } = resources(deployment).process;
      assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(deployment.state.id));
      await deployment.destroy();
      assertNothingLeft();
    },
  );

  platformTest('cgroup', 'is managed by another process from its state alone', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'bare');
    await ready(await deploy());
    const attached = await attachDeployment(findDeployment('bare')!);
    assert.equal((await attached.liveness()).alive, true);
    const { parts } = await attached.storage();
    assert.deepEqual(
      parts.map(({ name, kind }) => `${name} ${kind}`),
      ['runtime shared', 'bundle shared', 'database marginal', 'log marginal'],
    );
    for (const { name, allocatedBytes } of parts) assert.ok(Number(allocatedBytes) > 0, name);
    assert.match(await attached.logs(1), /"event":"listening"/);
    await attached.destroy();
    await attached.destroy();
    assertNothingLeft();
  });

  for (const when of ['prepared', 'started'] as const) {
    platformTest(
      'cgroup',
      `whose deploying process is killed when ${when} is cleaned up by down --all`,
      async (t) => {
        const { folder, assertNothingLeft } = lab(t, 'bare');
        await deployAndBeKilled('bare', folder, when);
        const { removed } = await downAll(recordingProgress());
        assert.match(removed.join(), /^bare /);
        assertNothingLeft();
      },
    );
  }

  platformTest('cgroup', 'whose state file is lost is found by its marks', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'bare');
    const { state } = await deploy();
    rmSync(`${deploymentFolder(state.id)}.json`);
    const { removed } = await downAll(recordingProgress());
    assert.match(removed.join('\n'), /^process \d+$/m);
    rmSync(deploymentFolder(state.id), { recursive: true, force: true });
    assertNothingLeft();
  });

  platformTest(
    'cgroup',
    'down --all leaves the deployments of another state folder alone',
    async (t) => {
      const first = lab(t, 'bare');
      const deployment = await first.deploy();
      process.env['SCRATCHPAD_STATE_DIR'] = `${first.folder}-other`;
      assert.deepEqual((await downAll(recordingProgress())).removed, []);
      process.env['SCRATCHPAD_STATE_DIR'] = first.folder;
      assert.equal((await deployment.liveness()).alive, true);
      assert.equal(existsSync(`${first.folder}-other`), false);
    },
  );
});
