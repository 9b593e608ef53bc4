/** The Docker target against a real engine: what the container may do, and that nothing stays. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe } from 'node:test';
import { isUnavailable } from '../../cli/record/measured.ts';
import { attachDeployment } from '../../cli/targets/deploy.ts';
import { downAll } from '../../cli/targets/down.ts';
import { deploymentFolder, findDeployment } from '../../cli/targets/state.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { recordingProgress, withEnvironment } from '../targets/harness.ts';
import { platformTest } from './require.ts';
import { deployAndBeKilled, lab, ready } from './targets-harness.ts';

const MIB = 1024 * 1024;

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8' }).trim();
}

function nameOf({ state }: Deployment): string {
  return `scratchpad-${state.id}`;
}

/** Bash inside: the image has no other program that prints. */
function inside(deployment: Deployment, script: string) {
  const args = ['exec', nameOf(deployment), '/bin/bash', '-c', script];
  return spawnSync('docker', args, { encoding: 'utf8' });
}

describe('the docker target', () => {
  platformTest('docker', 'runs the one artifact, locked down and under its ceilings', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const limits = { profile: 'custom', cpus: 0.5, memoryBytes: 200 * MIB } as const;
    const deployment = await deploy({ cpuSet: [0], limits });
    await ready(deployment);
    await verifyInside(deployment);

    const [inspected] = JSON.parse(docker('inspect', nameOf(deployment)));
    const { HostConfig, Config, Mounts } = inspected;
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.equal(HostConfig.Privileged, false);
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.equal(HostConfig.CapAdd, null);
    assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges']);
    assert.equal(HostConfig.PidsLimit, 256);
    assert.equal(HostConfig.NanoCpus, 5e8);
    assert.equal(HostConfig.Memory, 200 * MIB);
    assert.equal(HostConfig.MemorySwap, 200 * MIB);
    assert.equal(HostConfig.CpusetCpus, '0');
    assert.equal(Config.User, '10001:10001');
    assert.equal(Config.Labels['dev.scratchpad.deployment'], deployment.state.id);
    assert.deepEqual(Config.Healthcheck.Test, ['NONE']);
    assert.deepEqual(
      Mounts.map(({ Type, Name, Destination }: Record<string, string>) => [
        Type,
        Name,
        Destination,
      ]),
      [['volume', `${nameOf(deployment)}-data`, '/data']],
    );
    assert.deepEqual(HostConfig.PortBindings, {
      '5001/tcp': [{ HostIp: '127.0.0.1', HostPort: String(deployment.state.plan.options.port) }],
    });

    const status = inside(deployment, 'echo "$(</proc/1/status)"').stdout;
    assert.match(status, /^Uid:\s+10001\s+10001\s+10001\s+10001$/m);
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^CapBnd:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.match(inside(deployment, 'echo x > /opt/scratchpad/x').stderr, /Read-only file system/);
    assert.match(inside(deployment, 'echo x > /x').stderr, /Read-only file system/);
    assert.equal(inside(deployment, 'echo x > /tmp/x && echo x > /data/x').status, 0);
    // of a base that we made, no mirror's address is left
    assert.equal(inside(deployment, '[ -e /etc/apt/sources.list ]').status, 1);

    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'listens on 127.0.0.1 and on no other address of the host', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const port = deployment.state.plan.options.port.toString(16).toUpperCase().padStart(4, '0');
    const listening = ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(`:${port}`) && fields[3] === '0A')
      .map((fields) => fields[1]);
    assert.deepEqual(listening, [`0100007F:${port}`]);
    assert.equal(deployment.state.plan.path, 'docker-proxy');
  });

  platformTest('docker', 'on the host’s network it answers without a proxy', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const deployment = await deploy({ path: 'host-network' });
    await ready(deployment);
    assert.equal(deployment.state.plan.path, 'host-network');
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'checks its health with bash alone', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy({ healthCheck: true });
    await ready(deployment);
    const test = docker(
      'inspect',
      '--format',
      '{{json .Config.Healthcheck.Test}}',
      nameOf(deployment),
    );
    assert.deepEqual(JSON.parse(test), ['CMD', '/bin/bash', '/opt/scratchpad/health.sh']);
    assert.equal(inside(deployment, '/bin/bash /opt/scratchpad/health.sh').status, 0);
    const deaf = inside(deployment, 'SCRATCHPAD_PORT=1 /bin/bash /opt/scratchpad/health.sh');
    assert.equal(deaf.status, 1);
  });

  platformTest('docker', 'tells its start-up in phases that follow each other', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const phases = await deployment.phases();
    assert.deepEqual(
      phases.map(({ name, source }) => `${name}: ${source}`),
      [
        'call to created: engine event',
        'created to started: engine event',
        'started to listening: app log',
      ],
    );
    let before = 0;
    for (const { name, startMs, endMs } of phases) {
      assert.equal(startMs, before, name);
      assert.ok(endMs > startMs, `${name}: ${startMs} to ${endMs}`);
      before = endMs;
    }
  });

  platformTest('docker', 'stops in order and starts again with its data', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const created = await fetch(new URL('/api/posts', deployment.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'kept', content: 'over a restart' }),
    });
    assert.equal(created.status, 201);
    await deployment.stop();
    assert.match((await deployment.liveness()).detail, /^container exited with 0; .*"stopped"/s);
    await deployment.restart();
    await ready(deployment);
    assert.match(await (await fetch(deployment.url)).text(), /kept/);
    assert.deepEqual(
      (await deployment.phases()).map(({ name }) => name),
      ['created to started', 'started to listening'],
    );
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'is managed by another process from its state alone', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    await ready(await deploy());
    const attached = await attachDeployment(findDeployment('docker')!);
    assert.equal((await attached.liveness()).alive, true);
    assert.match(await attached.logs(1), /"event":"listening"/);
    const { parts } = await attached.storage();
    const shared = parts.filter(({ kind }) => kind === 'shared');
    // the runtime alone is 120 MB, and it is counted once, apart from the base
    assert.ok(Number(shared[1]!.apparentBytes) > 120e6 && Number(shared[1]!.apparentBytes) < 200e6);
    for (const { name, apparentBytes } of parts) assert.ok(!isUnavailable(apparentBytes), name);
    await attached.destroy();
    await attached.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'a second deployment takes the image from the cache', async (t) => {
    const { deploy } = lab(t, 'docker');
    await (await deploy()).destroy();
    const { prepared } = (await deploy()).state;
    assert.equal(prepared?.cached, true);
    assert.deepEqual(
      prepared?.steps.map(({ name, cached }) => [name, cached]),
      [
        ['base image', true],
        ['image', true],
      ],
    );
  });
});

describe('a docker deployment that fails leaves nothing:', () => {
  platformTest('docker', 'the engine is stopped', async (t) => {
    const { deploy, assertNothingLeft, progress } = lab(t, 'docker');
    withEnvironment(t, { DOCKER_HOST: 'unix:///nonexistent/docker.sock' });
    await assert.rejects(deploy(), { code: 'ENGINE_STOPPED', exitCode: 3, hint: /DOCKER_HOST/ });
    assert.deepEqual(progress.warnings, []);
    assertNothingLeft();
  });

  platformTest('docker', 'the base image cannot be had', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    withEnvironment(t, { SCRATCHPAD_BASE_IMAGE: '127.0.0.1:1/none:none' });
    await assert.rejects(deploy(), {
      code: 'BASE_IMAGE_UNAVAILABLE',
      hint: /SCRATCHPAD_BASE_IMAGE/,
    });
    assertNothingLeft();
  });

  platformTest('docker', 'the image cannot be built', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    // a base without a C library: the check in the build fails, with the loader's words
    const archive = spawnSync('tar', ['-cf', '-', '-T', '/dev/null']).stdout;
    const base = `scratchpad-test-empty:${process.pid}`;
    execFileSync('docker', ['import', '-', base], { input: archive });
    t.after(() => docker('image', 'rm', '--force', base));
    withEnvironment(t, { SCRATCHPAD_BASE_IMAGE: base });
    const before = docker('ps', '-aq');
    await assert.rejects(deploy(), (error: Error & { code: string; details: { log: string } }) => {
      assert.equal(error.code, 'IMAGE_BUILD_FAILED');
      assert.match(error.details.log, /no such file or directory/);
      return true;
    });
    assert.equal(docker('ps', '-aq'), before);
    assertNothingLeft();
  });

  platformTest('docker', 'another program takes the port at the last moment', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const server = createServer();
    t.after(() => new Promise((resolve) => server.close(resolve)));
    const port = 20_000 + (process.pid % 10_000);
    const deployment = await deploy(
      { port },
      {
        beforeStart: () =>
          new Promise((resolve, reject) => {
            server.once('error', reject);
            server.listen(port, '127.0.0.1', resolve);
          }),
      },
    );
    await assert.rejects(deployment.startCall!, { code: 'PORT_IN_USE' });
    assert.deepEqual((await deployment.liveness()).alive, false);
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'the container is killed', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    assert.equal((await deployment.liveness()).alive, true);
    docker('kill', nameOf(deployment));
    const { alive, detail } = await deployment.liveness();
    assert.equal(alive, false);
    assert.match(detail, /exited with 137/);
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'the memory ceiling is too low', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const limits = { profile: 'custom', cpus: 1, memoryBytes: 16 * MIB } as const;
    const deployment = await deploy({ limits });
    await deployment.startCall?.catch(() => {});
    spawnSync('docker', ['wait', nameOf(deployment)], { timeout: 30_000 });
    const { alive, detail } = await deployment.liveness();
    assert.equal(alive, false);
    assert.match(detail, /out of memory|137/);
    await deployment.destroy();
    assertNothingLeft();
  });

  for (const step of [/checking/, /starting the container/]) {
    platformTest('docker', `Ctrl-C while ${step.source}`, async (t) => {
      const { deploy, assertNothingLeft, progress } = lab(t, 'docker');
      const controller = new AbortController();
      const original = progress.step;
      progress.step = (text) => {
        original(text);
        if (step.test(text)) controller.abort();
      };
      await assert.rejects(deploy({}, { signal: controller.signal }), {
        code: 'INTERRUPTED',
        exitCode: 130,
      });
      assertNothingLeft();
    });
  }

  platformTest('docker', 'Ctrl-C while the image is built', async (t) => {
    const { deploy, assertNothingLeft, progress } = lab(t, 'docker');
    // another base is another image: the build is not cached
    const base = `scratchpad-test-base:${process.pid}`;
    const { handles } = (await deploy()).state.prepared!;
    await downAll(recordingProgress());
    const { reference } = handles['base'] as { reference: string };
    const container = docker('create', reference, 'x');
    docker('commit', '--change', `LABEL unique=${process.pid}`, container, base);
    docker('rm', container);
    t.after(() => docker('image', 'rm', '--force', base));
    withEnvironment(t, { SCRATCHPAD_BASE_IMAGE: base });
    const before = docker('ps', '-aq');
    const controller = new AbortController();
    const original = progress.step;
    progress.step = (text) => {
      original(text);
      if (/building image: Step 3/.test(text) || /building image: #/.test(text)) controller.abort();
    };
    await assert.rejects(deploy({}, { signal: controller.signal }), { code: 'INTERRUPTED' });
    assert.equal(docker('ps', '-aq'), before);
    assertNothingLeft();
  });

  for (const when of ['prepared', 'started'] as const) {
    platformTest(
      'docker',
      `the deploying process is killed when ${when}, then down --all`,
      async (t) => {
        const { folder, assertNothingLeft } = lab(t, 'docker');
        await deployAndBeKilled('docker', folder, when);
        const { removed } = await downAll(recordingProgress());
        assert.match(removed.join(), /^docker /);
        assertNothingLeft();
      },
    );
  }

  platformTest('docker', 'its state file is lost, then down --all', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const deployment = await deploy();
    await deployment.startCall;
    rmSync(`${deploymentFolder(deployment.state.id)}.json`);
    const { removed } = await downAll(recordingProgress());
    assert.deepEqual(removed.sort(), [
      `container ${nameOf(deployment)}`,
      `volume ${nameOf(deployment)}-data`,
    ]);
    assertNothingLeft();
  });

  platformTest(
    'docker',
    'down --all leaves the containers of another state folder alone',
    async (t) => {
      const { deploy, folder } = lab(t, 'docker');
      const deployment = await deploy();
      await deployment.startCall;
      process.env['SCRATCHPAD_STATE_DIR'] = `${folder}-other`;
      assert.deepEqual((await downAll(recordingProgress())).removed, []);
      process.env['SCRATCHPAD_STATE_DIR'] = folder;
      assert.equal((await deployment.liveness()).alive, true);
    },
  );
});
