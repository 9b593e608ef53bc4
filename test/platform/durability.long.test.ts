/**
 * What docs/decisions/workload-durability.md promises, on the targets themselves: SIGKILL under write
 * load (SCRATCHPAD_KILLS changes how often), a full disk, a container that is removed while its volume stays.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import type { BareResources } from '../../cli/targets/bare/deployment.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { platformTest } from './require.ts';
import { lab, ready } from './targets-harness.ts';

const KILLS = Number(process.env['SCRATCHPAD_KILLS'] ?? 100);

interface Reply {
  status: number;
  body: { id: number; title: string; content: string };
}

/** null where the connection ended before a whole answer had come. */
function send(agent: Agent, url: string, post?: object): Promise<Reply | null> {
  return new Promise((resolve) => {
    const sent = request(
      url,
      post === undefined
        ? { agent }
        : { agent, method: 'POST', headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('error', () => resolve(null));
        response.on('close', () =>
          resolve(
            response.complete ? { status: response.statusCode!, body: JSON.parse(text) } : null,
          ),
        );
      },
    );
    sent.on('error', () => resolve(null));
    sent.end(post === undefined ? undefined : JSON.stringify(post));
  });
}

function docker(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('docker', args, { encoding: 'utf8' });
  assert.equal(status, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

const containerOf = ({ state }: Deployment) => `scratchpad-${state.id}`;

/** SIGKILL by whoever may: the process itself, or the engine. */
const KILL = {
  bare: (deployment: Deployment) => {
    const { process: main } = deployment.state.resources as unknown as BareResources;
    process.kill(main!.pid, 'SIGKILL');
  },
  docker: (deployment: Deployment) => void docker('kill', containerOf(deployment)),
};

/** Writes on four connections until `goal` more are acknowledged, then kills while they go on. */
async function writeAndKill(
  url: string,
  acknowledged: Map<number, string>,
  { goal, name, kill }: { goal: number; name: string; kill: () => void },
): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const until = acknowledged.size + goal;
  let killed = false;
  const writer = async (number: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const title = `${name}, writer ${number}, post ${i}`;
      const reply = await send(agent, new URL('/api/posts', url).href, { title });
      if (reply === null) {
        assert.ok(killed, 'a connection ended before the kill');
        return;
      }
      assert.equal(reply.status, 201);
      acknowledged.set(reply.body.id, title);
      if (acknowledged.size >= until && !killed) {
        killed = true;
        kill();
      }
    }
  };
  await Promise.all([0, 1, 2, 3].map(writer));
  agent.destroy();
}

async function lost(url: string, acknowledged: Map<number, string>): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const missing: number[] = [];
  await Promise.all(
    [...acknowledged].map(async ([id, title]) => {
      const reply = await send(agent, new URL(`/api/posts/${id}`, url).href);
      if (reply?.status !== 200 || reply.body.title !== title) missing.push(id);
    }),
  );
  agent.destroy();
  return missing;
}

describe('no acknowledged write is lost', () => {
  for (const target of ['bare', 'docker'] as const) {
    platformTest(
      target === 'bare' ? 'cgroup' : 'docker',
      `on ${target}, killed ${KILLS} times under write load`,
      async (t) => {
        const { deploy } = lab(t, target);
        const deployment = await deploy();
        const acknowledged = new Map<number, string>();
        for (let number = 0; number < KILLS; number++) {
          await ready(deployment);
          await writeAndKill(deployment.url, acknowledged, {
            goal: 5 + ((number * 37) % 30),
            name: `kill ${number}`,
            kill: () => KILL[target](deployment),
          });
          await gone(deployment);
          await deployment.restart();
        }
        await ready(deployment);
        assert.deepEqual(await lost(deployment.url, acknowledged), []);
        assert.ok(acknowledged.size >= KILLS * 5, `${acknowledged.size} writes`);
      },
    );
  }

  platformTest('docker', 'when the container is removed: its volume serves the next', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const acknowledged = new Map<number, string>();
    await writeAndKill(deployment.url, acknowledged, {
      goal: 50,
      name: 'removed',
      kill: () => docker('rm', '--force', containerOf(deployment)),
    });
    const next = `${containerOf(deployment)}-next`;
    t.after(() => spawnSync('docker', ['rm', '--force', next]));
    const { image } = deployment.state.prepared!.handles as { image: string };
    const { port } = deployment.state.plan.options;
    docker(
      ...['run', '--detach', '--name', next, '--read-only', '--cap-drop=ALL', '--tmpfs=/tmp'],
      ...['--mount', `type=volume,source=${containerOf(deployment)}-data,target=/data`],
      ...['--publish', `127.0.0.1:${port}:5001`, image],
    );
    await answers(deployment.url);
    assert.deepEqual(await lost(deployment.url, acknowledged), []);
    docker('rm', '--force', next);
  });

  platformTest(
    'docker',
    'when the disk is full: 507, reads go on, with room writes do',
    async (t) => {
      const disk = smallDisk(t);
      if (disk === null) return t.skip('mounting a small file system needs root');
      const { deploy } = lab(t, 'docker');
      const deployment = await deploy();
      const { image } = deployment.state.prepared!.handles as { image: string };
      const { port } = deployment.state.plan.options;
      await deployment.startCall;
      docker('rm', '--force', containerOf(deployment));
      const name = `${containerOf(deployment)}-full`;
      t.after(() => spawnSync('docker', ['rm', '--force', name]));
      docker(
        ...['run', '--detach', '--name', name, '--read-only', '--cap-drop=ALL', '--tmpfs=/tmp'],
        ...['--mount', `type=bind,source=${disk},target=/data`],
        ...['--publish', `127.0.0.1:${port}:5001`, image],
      );
      await answers(deployment.url);
      const agent = new Agent({ keepAlive: true });
      const posts = new URL('/api/posts', deployment.url).href;
      const acknowledged = new Map<number, string>();
      let refused = 0;
      for (let i = 0; i < 400 && refused < 3; i++) {
        const reply = await send(agent, posts, { title: `Post ${i}`, content: 'x'.repeat(8_000) });
        if (reply!.status === 201) acknowledged.set(reply!.body.id, `Post ${i}`);
        else assert.equal(reply!.status, 507);
        refused += Number(reply!.status !== 201);
      }
      assert.equal(refused, 3);
      assert.deepEqual(await lost(deployment.url, acknowledged), []);
      assert.equal(spawnSync('mount', ['-o', 'remount,size=8m', disk]).status, 0);
      assert.equal((await send(agent, posts, { title: 'There is room again' }))!.status, 201);
      agent.destroy();
      docker('rm', '--force', name);
    },
  );
});

/** The engine notices the end a moment after the connections do. */
async function gone(deployment: Deployment): Promise<void> {
  while ((await deployment.liveness()).alive) await new Promise((go) => setTimeout(go, 10));
}

async function answers(url: string): Promise<void> {
  const until = Date.now() + 30_000;
  while (Date.now() < until) {
    const reply = await fetch(new URL('/livez', url)).catch(() => null);
    if (reply?.status === 200) return;
    await new Promise((go) => setTimeout(go, 20));
  }
  throw new Error(`${url} does not answer`);
}

/** A file system of 1 MB that the container's user may write to; null without root. */
function smallDisk(t: TestContext): string | null {
  const path = mkdtempSync(join(tmpdir(), 'scratchpad-full-'));
  const options = 'size=1m,mode=0777';
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0;
  t.after(() => {
    if (mounted) spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  });
  return mounted ? path : null;
}
