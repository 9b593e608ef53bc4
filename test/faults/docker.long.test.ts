/** Faults of the engine, of its images and of its containers. The shared engine is never stopped. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../cli/targets/port.ts';
import { fault } from './fault.ts';
import type { FaultLab } from './lab.ts';

const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();
const LOAD = ['load', 'docker', '--rate', '20', '--duration', '2'];

/** The container of this lab's state folder. */
function container({ state }: FaultLab): string {
  const [name] = readdirSync(join(state, 'deployments')).filter((each) => each.endsWith('.json'));
  return `scratchpad-${name!.slice(0, -'.json'.length)}`;
}

interface EngineProxy {
  host: string;
  /** No connection is taken any more, and those that are open are cut. */
  cut(): void;
}

/** The engine behind a socket of our own; `onRequest` sees what is sent to it, and may wait. */
async function engineProxy(
  { t, folder }: FaultLab,
  onRequest: (text: string) => void = () => {},
): Promise<EngineProxy> {
  const path = join(folder, 'engine.sock');
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const engine = connect('/var/run/docker.sock');
    for (const socket of [client, engine]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket)).on('error', () => {});
    }
    client.on('data', (chunk: Buffer) => {
      onRequest(chunk.toString('latin1'));
      engine.write(chunk);
    });
    client.on('end', () => engine.end());
    engine.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const cut = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  t.after(cut);
  return { host: `unix://${path}`, cut };
}

fault(
  import.meta,
  {
    fault: 'the engine stops under load',
    stage: 'load docker: measuring',
    exit: 3,
    code: 'CLEANUP_INCOMPLETE',
    message: 'docker could not be removed',
    kept: 'record',
    left: 'down --all',
    voidWhereBusy: true,
    needs: ['docker'],
  },
  async (lab) => {
    const proxy = await engineProxy(lab);
    const result = await lab.when(
      LOAD,
      /open loop/,
      async () => {
        await lab.underLoad();
        proxy.cut();
      },
      { env: { DOCKER_HOST: proxy.host } },
    );
    assert.match(result.stderr, /^! docker could not be removed: run `scratchpad down --all`$/m);
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'the engine stops before the image is built',
    stage: 'deploy docker: prepare',
    exit: 3,
    code: 'ENGINE_STOPPED',
    message: 'The Docker engine cannot be reached.',
    kept: 'nothing',
    left: 'nothing',
    needs: ['docker'],
  },
  async (lab) => {
    const proxy = await engineProxy(lab);
    const env = { DOCKER_HOST: proxy.host };
    const args = ['deploy', 'docker', '--port', String(await freePort())];
    const result = await lab.heldAt(args, /checking the artifact/, () => proxy.cut(), { env });
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'the container is killed',
    stage: 'load docker: measuring',
    exit: 3,
    code: 'TARGET_DIED',
    message: 'The target ended under load',
    kept: 'failures',
    left: 'nothing',
    needs: ['docker'],
  },
  async (lab) => ({
    result: await lab.when(LOAD, /open loop/, async () => {
      await lab.underLoad();
      docker('kill', container(lab));
    }),
  }),
);

fault(
  import.meta,
  {
    fault: 'the container is killed for want of memory',
    stage: 'load docker: measuring',
    exit: 3,
    code: 'TARGET_DIED',
    message: 'The target ended under load',
    kept: 'failures',
    left: 'nothing',
    needs: ['docker'],
  },
  async (lab) => {
    // it shares the container's ceiling and takes what is left: the kernel ends the larger of the two
    const hog = 'x=aaaaaaaa; while :; do x=$x$x; done';
    const result = await lab.when([...LOAD, '--memory', '64m'], /open loop/, async () => {
      await lab.underLoad();
      spawnSync('docker', ['exec', container(lab), 'bash', '-c', hog], { timeout: 20_000 });
    });
    assert.match(result.stderr, /out of memory/);
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'the container is paused (`docker pause`)',
    stage: 'load docker: measuring',
    exit: 5,
    code: 'THRESHOLD_FAILED',
    message: 'Not met: errors<1%',
    kept: 'failures',
    left: 'nothing',
    voidWhereBusy: true,
    needs: ['docker'],
  },
  async (lab) => {
    const args = [...LOAD, '--timeout', '300ms', '--drain', '300ms', '--threshold', 'errors<1%'];
    const result = await lab.when(args, /open loop/, async () => {
      await lab.underLoad();
      docker('pause', container(lab));
    });
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'the base image is not there',
    stage: 'deploy docker: prepare',
    exit: 3,
    code: 'BASE_IMAGE_UNAVAILABLE',
    message: 'The base image scratchpad-fault-none:1 cannot be had.',
    kept: 'nothing',
    left: 'nothing',
    needs: ['docker'],
  },
  async (lab) => {
    const env = { SCRATCHPAD_BASE_IMAGE: 'scratchpad-fault-none:1' };
    const args = ['deploy', 'docker', '--port', String(await freePort())];
    return { result: await lab.run(args, { env }) };
  },
);

fault(
  import.meta,
  {
    fault: 'the image vanishes between build and run',
    stage: 'deploy docker: start',
    exit: 3,
    code: 'TARGET_START_FAILED',
    message: 'docker run failed: …No such image…',
    kept: 'nothing',
    left: 'nothing',
    needs: ['docker'],
  },
  async (lab) => {
    // a base of our own gives an image of our own, which may be removed
    const base = `scratchpad-fault-base:${process.pid}`;
    const prepared = await lab.run(['deploy', 'docker', '--port', String(await freePort())]);
    assert.equal(prepared.code, 0, prepared.stderr);
    const [name] = readdirSync(join(lab.state, 'deployments')).filter((each) =>
      each.endsWith('.json'),
    );
    const state = JSON.parse(readFileSync(join(lab.state, 'deployments', name!), 'utf8'));
    const { image: known, base: original } = state.prepared.handles;
    const empty = docker('create', original.reference, 'x');
    docker('commit', '--change', `LABEL fault=${process.pid}`, empty, base);
    docker('rm', empty);
    lab.t.after(() => docker('image', 'rm', '--force', base));
    assert.equal((await lab.run(['down', 'docker'])).code, 0);
    let creating = false;
    let removed = false;
    const proxy = await engineProxy(lab, (text) => {
      creating ||= /^POST \S+\/containers\/create/m.test(text);
      // its body may come after its head
      const image = /"Image":"(scratchpad:[0-9a-f]+)"/.exec(text)?.[1];
      if (!creating || removed || image === undefined) return;
      removed = true;
      assert.notEqual(image, known);
      docker('image', 'rm', '--force', image);
    });
    const env = { DOCKER_HOST: proxy.host, SCRATCHPAD_BASE_IMAGE: base };
    const args = ['deploy', 'docker', '--port', String(await freePort())];
    const result = await lab.run(args, { env });
    assert.ok(removed, `the image was removed: ${result.stderr}`);
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'another program takes the port between the check and the engine',
    stage: 'deploy docker: start',
    exit: 3,
    code: 'PORT_IN_USE',
    message: '127.0.0.1:… is in use.',
    kept: 'nothing',
    left: 'nothing',
    needs: ['docker'],
  },
  async (lab) => {
    const port = await freePort();
    const thief = createServer();
    lab.t.after(() => thief.close());
    const args = ['deploy', 'docker', '--port', String(port)];
    const result = await lab.heldAt(args, /checking the artifact/, async () => {
      await once(thief.listen(port, '127.0.0.1'), 'listening');
    });
    return { result };
  },
);
