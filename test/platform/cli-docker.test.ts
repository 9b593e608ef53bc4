/** The CLI end to end on a real Docker engine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'node:test';
import { loadRecordSchema } from '../../cli/record/schema.ts';
import { ownerTag } from '../../cli/targets/state.ts';
import { matching, type Sandbox, sandbox } from '../cli/run-cli.ts';
import { platformTest } from './require.ts';

const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();
const ours = ({ env }: Sandbox) => [
  '--filter',
  `label=dev.scratchpad.owner=${ownerTag(env['SCRATCHPAD_STATE_DIR'])}`,
];
const containersOf = (box: Sandbox) => docker('ps', '-aq', ...ours(box));

async function nothingLeft(box: Sandbox): Promise<void> {
  const status = await box.run(['status', '--json']);
  assert.deepEqual(status.json(), { deployments: [], unreadable: [] });
  assert.equal(containersOf(box), '');
  assert.equal(docker('volume', 'ls', '-q', ...ours(box)), '');
}

const LOAD = ['load', 'docker', '--connections', '2', '--json'];

describe('docker, as a user', () => {
  platformTest('docker', 'deploy, load, status, down', async (t) => {
    const box = sandbox(t);
    const deployed = await box.run(['deploy', 'docker', '--json']);
    assert.equal(deployed.code, 0, deployed.stderr);
    const { url, artifact } = deployed.json<{
      url: string;
      artifact: { verifiedInTarget: boolean };
    }>();
    assert.equal(url, 'http://127.0.0.1:5001/');
    assert.equal(artifact.verifiedInTarget, true);
    assert.match(await (await fetch(url)).text(), /First Post/);

    const load = await box.run(['load', '--duration', '1', '--connections', '2', '--json']);
    assert.ok(load.code === 0 || load.code === 4, load.stderr);
    const record = loadRecordSchema.parse(load.json());
    assert.equal(record.target.name, 'docker');
    assert.equal(record.target.path, 'docker-proxy');
    assert.equal((record.reconciliation as { difference: number }).difference, 0);

    const down = await box.run(['down', 'docker']);
    assert.equal(down.code, 0, down.stderr);
    await nothingLeft(box);
  });

  platformTest('docker', 'a container that is killed under load gives exit 3', async (t) => {
    const box = sandbox(t);
    const { child, result } = box.start([...LOAD, '--duration', '5']);
    await matching(child, /closed loop/);
    await box.underLoad();
    setTimeout(() => docker('kill', containersOf(box)), 1000);
    const { code, stderr, json } = await result;
    assert.equal(code, 3, stderr);
    assert.ok(loadRecordSchema.parse(json()).counts.failed > 0);
    await nothingLeft(box);
  });

  platformTest('docker', 'Ctrl-C at any moment leaves nothing', async (t) => {
    for (const moment of [/\S/, /container|starting/i, /waiting for the first/, /closed loop/]) {
      const box = sandbox(t);
      const { child, result } = box.start([...LOAD, '--duration', '30']);
      await new Promise<void>((resolve) => {
        child.stderr!.on('data', (chunk: string) => {
          if (moment.test(chunk)) resolve();
        });
        child.on('close', () => resolve());
      });
      child.kill('SIGINT');
      const { code, stderr } = await result;
      assert.equal(code, 130, `at ${moment}: ${stderr}`);
      await nothingLeft(box);
    }
  });

  platformTest('docker', 'a SIGKILL, then down --all, leaves nothing', async (t) => {
    const box = sandbox(t);
    const { child, result } = box.start([...LOAD, '--duration', '30']);
    await matching(child, /closed loop/);
    child.kill('SIGKILL');
    await result;
    assert.notEqual(containersOf(box), '');
    const down = await box.run(['down', '--all']);
    assert.equal(down.code, 0, down.stderr);
    await nothingLeft(box);
  });

  platformTest(
    'docker',
    'an engine that is stopped, absent or foreign is exit 3 with a hint',
    async (t) => {
      const box = sandbox(t);
      const code = async (env: Record<string, string>) => {
        const result = await box.run(['deploy', 'docker', '--json'], { env });
        assert.equal(result.code, 3, result.stderr);
        const { error } = result.json<{ error: { code: string; hint: string } }>();
        assert.ok(error.hint);
        return error.code;
      };
      assert.equal(
        await code({ DOCKER_HOST: `unix://${join(box.folder, 'no.sock')}` }),
        'ENGINE_STOPPED',
      );
      // A PATH that has everything the CLI may want but docker.
      const tools = join(box.folder, 'tools');
      mkdirSync(tools);
      for (const tool of ['sh', 'taskset', 'git']) {
        symlinkSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim(), join(tools, tool));
      }
      const node = join(process.execPath, '..');
      assert.equal(await code({ PATH: [tools, node].join(delimiter) }), 'ENGINE_ABSENT');
      await nothingLeft(box);
    },
  );
});
