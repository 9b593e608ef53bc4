import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ScratchpadError } from '../../cli/errors.ts';
import { deployTarget } from '../../cli/targets/deploy.ts';
import { downAll, downTarget } from '../../cli/targets/down.ts';
import { newDeployOptions } from '../../cli/targets/options.ts';
import { freePort } from '../../cli/targets/port.ts';
import { listDeployments, readStates, saveState } from '../../cli/targets/state.ts';
import { readStatus } from '../../cli/targets/status.ts';
import type {
  Availability,
  Deployment,
  DeploymentState,
  DeployOptions,
  Prepared,
  Target,
} from '../../cli/targets/target.ts';
import { exampleState } from './example-state.ts';
import { recordingProgress, stateSandbox, withEnvironment } from './harness.ts';

const PREPARED: Prepared = {
  durationMs: 1,
  cached: true,
  artifactSha256: 'a',
  runtimeSha256: 'r',
  steps: [],
  handles: {},
  warnings: ['prepared with care'],
};

interface FakeOptions {
  availability?: Availability;
  prepare?: () => void | Promise<void>;
  start?: () => void | Promise<void>;
  destroy?: () => void | Promise<void>;
  startCall?: Promise<void>;
}

/** A target whose steps are written down, with the phase that is on disk at that moment. */
function fakeTarget(options: FakeOptions = {}): { target: Target; log: string[] } {
  const log: string[] = [];
  const note = (step: string) => {
    const [state] = listDeployments();
    log.push(`${step} (${state ? `${state.phase}${state.prepared ? ', prepared' : ''}` : 'none'})`);
  };
  const deployment = (state: DeploymentState): Deployment => ({
    state,
    url: state.url,
    startedAtNs: 1n,
    ...(options.startCall ? { startCall: options.startCall } : {}),
    phases: async () => [],
    meter: async () => assert.fail('no meter'),
    storage: async () => ({ parts: [] }),
    logs: async () => '',
    liveness: async () => ({ alive: true, detail: 'fake' }),
    stop: async () => ({ durationMs: 1 }),
    restart: async () => {},
    async destroy() {
      note('destroy');
      await options.destroy?.();
    },
  });
  const target: Target = {
    name: 'fake',
    summary: '',
    providers: [],
    availability: async () => {
      note('availability');
      return options.availability ?? { available: true, provider: null, notes: [] };
    },
    plan: async (deployOptions: DeployOptions) => ({
      target: 'fake',
      provider: null,
      providerReason: null,
      options: deployOptions,
      path: 'loopback',
      acceleration: null,
      warnings: ['planned with care'],
    }),
    prepare: async () => {
      note('prepare');
      await options.prepare?.();
      return PREPARED;
    },
    async start(plan, prepared) {
      note('start');
      await options.start?.();
      const { id, nonce } = plan.options;
      return deployment({ ...exampleState({ id }), target: 'fake', nonce, plan, prepared });
    },
    attach: async (state) => deployment(state),
    sweep: async () => ({ removed: [] }),
  };
  return { target, log };
}

async function request(t: TestContext, options: FakeOptions = {}) {
  stateSandbox(t);
  const controller = new AbortController();
  const progress = recordingProgress();
  const { target, log } = fakeTarget(options);
  const deployOptions = newDeployOptions({ port: await freePort() });
  const deploy = () =>
    deployTarget({ target, options: deployOptions, progress, signal: controller.signal });
  return { deploy, log, progress, controller, port: deployOptions.port };
}

describe('a deployment', () => {
  it('is on disk before each step, and running after the last', async (t) => {
    const { deploy, log, progress } = await request(t);
    const deployment = await deploy();
    assert.deepEqual(log, [
      'availability (creating)',
      'prepare (creating)',
      'start (creating, prepared)',
    ]);
    const [state] = listDeployments();
    assert.equal(state?.phase, 'running');
    assert.deepEqual(state?.prepared, PREPARED);
    assert.deepEqual(progress.warnings, ['planned with care', 'prepared with care']);
    await deployment.stop();
    assert.equal(listDeployments()[0]?.phase, 'stopped');
    await deployment.restart();
    assert.equal(listDeployments()[0]?.phase, 'running');
    await deployment.destroy();
    assert.deepEqual(listDeployments(), []);
  });

  it('is running only once its start call has returned', async (t) => {
    let resolve = () => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    const { deploy } = await request(t, { startCall: promise });
    await deploy();
    assert.equal(listDeployments()[0]?.phase, 'creating');
    assert.equal((await readStatus()).deployments[0]?.state, 'creating');
    resolve();
    await new Promise((done) => setImmediate(done));
    assert.equal(listDeployments()[0]?.phase, 'running');
  });

  it('where the port is taken nothing else is even asked', async (t) => {
    const { deploy, log, port } = await request(t);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    t.after(() => new Promise((resolve) => server.close(resolve)));
    await assert.rejects(deploy(), { code: 'PORT_IN_USE' });
    assert.deepEqual(log, []);
    assert.deepEqual(readStates(), { states: [], broken: [] });
  });

  it('where the target is not available nothing is made, and its own code and hint are told', async (t) => {
    const { deploy, log } = await request(t, {
      availability: {
        available: false,
        provider: null,
        reason: 'no engine',
        hint: 'install one',
        code: 'ENGINE_ABSENT',
      },
    });
    await assert.rejects(deploy(), { code: 'ENGINE_ABSENT', hint: 'install one' });
    assert.deepEqual(log, ['availability (creating)']);
    assert.deepEqual(listDeployments(), []);
  });

  for (const step of ['prepare', 'start'] as const) {
    it(`that fails in ${step} is removed, and its own error is told`, async (t) => {
      const error = new ScratchpadError('TARGET_START_FAILED', 'broken');
      const { deploy, log } = await request(t, {
        [step]: () => {
          throw error;
        },
      });
      await assert.rejects(deploy(), error);
      assert.match(log.at(-1)!, /^destroy/);
      assert.deepEqual(listDeployments(), []);
    });

    it(`that is interrupted in ${step} is removed, whatever ${step} then says`, async (t) => {
      const { deploy, log, controller } = await request(t, {
        [step]: () => {
          controller.abort();
          throw new Error('the connection to the engine was lost');
        },
      });
      await assert.rejects(deploy(), { code: 'INTERRUPTED', exitCode: 130 });
      assert.match(log.at(-1)!, /^destroy/);
      assert.deepEqual(listDeployments(), []);
    });

    it(`that is interrupted while ${step} succeeds is removed as well`, async (t) => {
      const { deploy, log, controller } = await request(t, { [step]: () => controller.abort() });
      await assert.rejects(deploy(), { code: 'INTERRUPTED' });
      assert.match(log.at(-1)!, /^destroy/);
      assert.deepEqual(listDeployments(), []);
    });
  }

  it('that was interrupted before it began leaves nothing', async (t) => {
    const { deploy, log, controller } = await request(t);
    controller.abort();
    await assert.rejects(deploy(), { code: 'INTERRUPTED' });
    assert.deepEqual(log, []);
    assert.deepEqual(listDeployments(), []);
  });

  it('that cannot be cleaned up keeps its state and says so; the first error is told', async (t) => {
    const { deploy, progress } = await request(t, {
      start: () => {
        throw new ScratchpadError('TARGET_START_FAILED', 'broken');
      },
      destroy: () => {
        throw new ScratchpadError('ENGINE_STOPPED', 'The engine has gone.');
      },
    });
    await assert.rejects(deploy(), { code: 'TARGET_START_FAILED' });
    assert.match(progress.warnings.at(-1)!, /could not be cleaned up: The engine has gone.*--all/);
    assert.equal(listDeployments().length, 1);
  });

  it('of two that want one port at the same time one gets it', async (t) => {
    const { deploy, port } = await request(t);
    const other = fakeTarget();
    const second = () =>
      deployTarget({
        target: other.target,
        options: newDeployOptions({ port }),
        progress: recordingProgress(),
        signal: new AbortController().signal,
      });
    const results = await Promise.allSettled([deploy(), second()]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const rejected = results.find((each) => each.status === 'rejected');
    assert.equal((rejected as PromiseRejectedResult).reason.code, 'ALREADY_DEPLOYED');
    assert.equal(listDeployments().length, 1);
  });
});

/** No engine: `down` must work without one where nothing of ours is in it. */
const NO_ENGINE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };

describe('down', () => {
  it('of an unknown target is a usage error', async (t) => {
    stateSandbox(t);
    await assert.rejects(downTarget('nope', recordingProgress()), { code: 'UNKNOWN_TARGET' });
  });

  it('of a target that is not deployed removes nothing', async (t) => {
    stateSandbox(t);
    assert.deepEqual(await downTarget('bare', recordingProgress()), { removed: [] });
  });

  it('--all removes what a corrupt state file belonged to, and the file', async (t) => {
    const folder = stateSandbox(t);
    withEnvironment(t, NO_ENGINE);
    saveState(exampleState({ id: 'good' }));
    const file = join(folder, 'deployments', 'bad.json');
    writeFileSync(file, '{');
    // the engine cannot be asked, and the broken state could be a container's: it stays
    await assert.rejects(downAll(recordingProgress()), (error: Error & { code: string }) => {
      assert.equal(error.code, 'CLEANUP_INCOMPLETE');
      return true;
    });
    assert.deepEqual(
      readStates().broken.map(({ id }) => id),
      ['bad'],
    );
    assert.deepEqual(readStates().states, []);
  });

  it('--all without an engine warns, where nothing of ours can be in it', async (t) => {
    stateSandbox(t);
    withEnvironment(t, NO_ENGINE);
    const progress = recordingProgress();
    assert.deepEqual(await downAll(progress), { removed: [] });
    assert.ok(progress.warnings.every((text) => !text.startsWith('bare')));
  });

  it('a deployment that cannot be removed is told, the others are removed', async (t) => {
    stateSandbox(t);
    withEnvironment(t, NO_ENGINE);
    saveState({ ...exampleState({ id: 'stuck' }), target: 'docker', prepared: PREPARED });
    saveState(exampleState({ id: 'fine' }));
    await assert.rejects(
      downAll(recordingProgress()),
      (error: Error & { code: string; details: { removed: string[] } }) => {
        assert.equal(error.code, 'CLEANUP_INCOMPLETE');
        assert.match(error.message, /docker stuck/);
        assert.match(error.details.removed.join(), /bare fine/);
        return true;
      },
    );
    assert.deepEqual(
      listDeployments().map(({ id, phase }) => `${id} ${phase}`),
      ['stuck destroying'],
    );
  });
});
