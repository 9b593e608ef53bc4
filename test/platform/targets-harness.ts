/** Real deployments in a state folder of the test's own; whatever a test leaves fails the test. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { waitForFirstValidReply } from '../../cli/probe/readiness.ts';
import { listCgroups } from '../../cli/targets/bare/cgroup.ts';
import { deployTarget } from '../../cli/targets/deploy.ts';
import { downAll } from '../../cli/targets/down.ts';
import { limitsFor, newDeployOptions } from '../../cli/targets/options.ts';
import { freePort } from '../../cli/targets/port.ts';
import { findMarked, OWNER_MARKER } from '../../cli/targets/process-identity.ts';
import { loadTarget } from '../../cli/targets/registry.ts';
import { ownerTag } from '../../cli/targets/state.ts';
import type { Deployment, DeployOptions } from '../../cli/targets/target.ts';
import {
  NEVER,
  type RecordingProgress,
  recordingProgress,
  stateSandbox,
} from '../targets/harness.ts';

export interface Lab {
  folder: string;
  progress: RecordingProgress;
  deploy(
    options?: Partial<DeployOptions>,
    more?: { signal?: AbortSignal; beforeStart?: () => Promise<void> },
  ): Promise<Deployment>;
  /** Fails with what is left: processes, cgroups, containers, volumes, state files. */
  assertNothingLeft(): void;
}

export function lab(t: Pick<TestContext, 'after'>, target: 'bare' | 'docker' | 'vm'): Lab {
  const folder = stateSandbox(t, () => downAll(recordingProgress()));
  const owner = ownerTag();
  const progress = recordingProgress();
  return {
    folder,
    progress,
    async deploy(options = {}, { signal = NEVER, beforeStart } = {}) {
      return deployTarget({
        target: await loadTarget(target),
        options: newDeployOptions({
          port: await freePort(),
          limits: limitsFor(target),
          ...options,
        }),
        progress,
        signal,
        beforeStart,
      });
    },
    assertNothingLeft() {
      assert.deepEqual(leftBehind(folder, owner), []);
    },
  };
}

export async function ready(deployment: Deployment): Promise<void> {
  await deployment.startCall;
  await waitForFirstValidReply({
    url: deployment.url,
    nonce: deployment.state.nonce,
    t0Ns: deployment.startedAtNs ?? process.hrtime.bigint(),
    deadlineMs: 30_000,
    signal: NEVER,
    liveness: () => deployment.liveness(),
  });
}

function leftBehind(folder: string, owner: string): string[] {
  const states = join(folder, 'deployments');
  return [
    ...findMarked(OWNER_MARKER, owner).map(
      ({ pid }) => `process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8')}`,
    ),
    ...listCgroups(`${owner}-`).map((name) => `cgroup ${name}`),
    ...(existsSync(states) ? readdirSync(states).map((name) => `state ${name}`) : []),
    ...dockerLeft(owner),
  ];
}

function dockerLeft(owner: string): string[] {
  const filter = `label=dev.scratchpad.owner=${owner}`;
  const list = (...args: string[]) => {
    try {
      return execFileSync('docker', [...args, '--filter', filter], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, DOCKER_HOST: '' },
      })
        .split('\n')
        .filter(Boolean);
    } catch {
      return []; // no engine
    }
  };
  return [
    ...list('ps', '-aq').map((id) => `container ${id}`),
    ...list('volume', 'ls', '-q').map((name) => `volume ${name}`),
  ];
}

/**
 * Deploys in another process, which kills itself with SIGKILL at `when`. Resolves when it is gone.
 *   prepared: everything is prepared, nothing started
 *   started: right after the start call was made
 */
export async function deployAndBeKilled(
  target: string,
  folder: string,
  when: 'prepared' | 'started',
): Promise<void> {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    import { deployTarget } from ${url('../../cli/targets/deploy.ts')};
    import { limitsFor, newDeployOptions } from ${url('../../cli/targets/options.ts')};
    import { freePort } from ${url('../../cli/targets/port.ts')};
    import { loadTarget } from ${url('../../cli/targets/registry.ts')};
    const die = () => process.kill(process.pid, 'SIGKILL');
    await deployTarget({
      target: await loadTarget('${target}'),
      options: newDeployOptions({ port: await freePort(), limits: limitsFor('${target}') }),
      progress: { step() {}, warn() {} },
      signal: new AbortController().signal,
      ${when === 'prepared' ? 'beforeStart: async () => die(),' : ''}
    });
    die();`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: 'inherit',
    env: { ...process.env, SCRATCHPAD_STATE_DIR: folder },
  });
  const signal = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_code, by) => resolve(by));
  });
  assert.equal(signal, 'SIGKILL');
}
