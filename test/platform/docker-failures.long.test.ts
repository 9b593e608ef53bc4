/** Docker deployments that fail, are interrupted or killed: said, and nothing left. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe } from 'node:test';
import { downAll } from '../../cli/targets/down.ts';
import { deploymentFolder } from '../../cli/targets/state.ts';
import { recordingProgress, withEnvironment } from '../targets/harness.ts';
import { docker, nameOf } from './docker-shell.ts';
import { platformTest } from './require.ts';
import { deployAndBeKilled, lab, ready } from './targets-harness.ts';

const MIB = 1024 * 1024;

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
