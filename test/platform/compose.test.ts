/** What compose really makes of its file, against what `docker run` makes of the target's arguments. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe } from 'node:test';
import { runArguments } from '../../cli/targets/docker/container.ts';
import { volumeName } from '../../cli/targets/docker/labels.ts';
import { root } from '../cli/run-cli.ts';
import { composeProgram } from '../pipeline/compose-program.ts';
import { dockerPlan } from '../targets/example-state.ts';
import { platformTest } from './require.ts';

/** What the engine holds a container to; names differ by nature, and are not compared. */
const COMPARED = [
  'NanoCpus',
  'CpusetCpus',
  'Memory',
  'MemorySwap',
  'PidsLimit',
  'ReadonlyRootfs',
  'CapDrop',
  'CapAdd',
  'Privileged',
  'SecurityOpt',
  'Tmpfs',
  'RestartPolicy',
  'LogConfig',
  'PidMode',
  'IpcMode',
  'UsernsMode',
  'Devices',
] as const;

const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();

function fences(container: string): Record<string, unknown> {
  const [{ HostConfig }] = JSON.parse(docker('inspect', container)) as [
    { HostConfig: Record<string, unknown> },
  ];
  return Object.fromEntries(
    COMPARED.map((name) => {
      const value = HostConfig[name];
      // an empty list and none are the same; so are the two spellings of the option
      if (value === null || (Array.isArray(value) && value.length === 0)) return [name, null];
      if (name !== 'SecurityOpt') return [name, value];
      return [name, (value as string[]).map((each) => each.replace(/:true$/, ''))];
    }),
  );
}

describe('compose', () => {
  platformTest('docker', 'holds the app to what the docker target holds it to', async (t) => {
    const compose = composeProgram();
    if (compose === null) {
      t.skip('neither `docker compose` nor docker-compose is installed');
      return;
    }
    const [program, ...args] = compose;
    const project = `scratchpad-compose-test-${process.pid}`;
    const image = `${project}:empty`;
    const plan = dockerPlan({ cpuSet: [1] });
    const run = (...more: string[]) =>
      spawnSync(
        program,
        [...args, '-p', project, '-f', join(root, 'infra/compose/compose.yaml'), ...more],
        {
          encoding: 'utf8',
          env: { ...process.env, SCRATCHPAD_IMAGE: image, SCRATCHPAD_CLI_IMAGE: image },
        },
      );
    const ours: string[] = [];
    t.after(() => {
      run('down', '--volumes');
      for (const id of ours) spawnSync('docker', ['rm', '--force', id]);
      spawnSync('docker', ['volume', 'rm', volumeName(plan.options.id)]);
      spawnSync('docker', ['image', 'rm', image]);
    });
    // nothing is started, so nothing has to be in it
    execFileSync('docker', ['import', '--change', 'CMD ["/none"]', '-', image], {
      input: Buffer.alloc(1024),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const [, ...flags] = runArguments(plan, image).filter((each) => each !== '--detach');
    ours.push(docker('create', ...flags));

    const made = run('up', '--no-start');
    assert.equal(made.status, 0, made.stderr);
    const app =
      run('ps', '--quiet', 'app').stdout.trim() ||
      docker(
        'ps',
        '-aq',
        '--filter',
        `label=com.docker.compose.project=${project}`,
        '--filter',
        'label=com.docker.compose.service=app',
      );
    assert.deepEqual(fences(app), fences(ours[0]!));
  });
});
