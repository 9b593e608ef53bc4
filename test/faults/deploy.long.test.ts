/** Faults of the place: ports, state, folders, the artifact, what the host has left to give. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { freePort } from '../../cli/targets/port.ts';
import { root } from '../cli/run-cli.ts';
import { smallDisk } from './disk.ts';
import { fault } from './fault.ts';
import type { FaultLab } from './lab.ts';

const NONE = { kept: 'nothing', left: 'nothing' } as const;
const LOAD = ['load', 'bare', '--rate', '20', '--duration', '1'];

async function deploy(): Promise<string[]> {
  return ['deploy', 'bare', '--port', String(await freePort())];
}

/** Another program that answers every request, as the next one on a port would. */
async function other({ t }: FaultLab, port: number): Promise<void> {
  const server = createServer((_request, response) => response.end('{"nonce":"another"}'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
}

fault(
  import.meta,
  {
    fault: 'another program holds the port',
    stage: 'deploy: before',
    exit: 3,
    code: 'PORT_IN_USE',
    message: '127.0.0.1:… is in use by … (pid …).',
    ...NONE,
  },
  async (lab) => {
    const port = await freePort();
    await other(lab, port);
    return { result: await lab.run(['deploy', 'bare', '--port', String(port)]) };
  },
);

fault(
  import.meta,
  {
    fault: 'another program takes the port between the check and the start, and answers there',
    stage: 'deploy: start',
    exit: 3,
    code: 'PORT_IN_USE',
    message: 'The target ended before its first valid reply',
    ...NONE,
  },
  async (lab) => {
    const port = await freePort();
    const args = ['deploy', 'bare', '--port', String(port)];
    return { result: await lab.heldAt(args, /checking the artifact/, () => other(lab, port)) };
  },
);

fault(
  import.meta,
  {
    fault: 'two deployments want one port at once',
    stage: 'deploy: before',
    exit: 2,
    code: 'ALREADY_DEPLOYED',
    message: 'bare is … at http://127.0.0.1:…/ already.',
    kept: 'nothing',
    left: 'deployment',
  },
  async (lab) => {
    const args = await deploy();
    const both = await Promise.all([lab.run(args), lab.run(args)]);
    assert.deepEqual(both.map(({ code }) => code).sort(), [0, 2]);
    return { result: both.find(({ code }) => code !== 0)! };
  },
);

fault(
  import.meta,
  {
    fault: 'the state file was cut off by a crash of the machine',
    stage: 'load: before',
    exit: 3,
    code: 'STATE_UNREADABLE',
    message: '…/deployments/….json: not JSON: cut off or not written by scratchpad',
    kept: 'nothing',
    left: 'down --all',
    // what a lost state was of is not known, so `down --all` asks the engine as well
    needs: ['docker'],
  },
  async (lab) => {
    await lab.deployBare();
    const folder = join(lab.state, 'deployments');
    const [name] = readdirSync(folder).filter((each) => each.endsWith('.json'));
    writeFileSync(join(folder, name!), '{"schemaVersion":1,"id":');
    return { result: await lab.run(LOAD) };
  },
);

fault(
  import.meta,
  {
    fault: 'the lock of a scratchpad that was killed, whose pid another process has by now',
    stage: 'deploy: before',
    exit: 0,
    code: null,
    message: null,
    kept: 'nothing',
    left: 'deployment',
  },
  async (lab) => {
    const folder = join(lab.state, 'deployments');
    mkdirSync(folder, { recursive: true });
    // this test's own pid, with another start
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: process.pid, startTicks: 1 }));
    return { result: await lab.run(await deploy()) };
  },
);

fault(
  import.meta,
  {
    fault: 'the home folder cannot be written',
    stage: 'deploy: before',
    exit: 3,
    code: 'OUTPUT_UNWRITABLE',
    message: "Cannot write the deployment's state in …/.local/state/scratchpad/deployments.",
    ...NONE,
    needs: ['disk'],
  },
  async (lab) => {
    const home = smallDisk(lab.t, 1);
    home.lock();
    const args = await deploy();
    const result = await lab.limited('unset SCRATCHPAD_STATE_DIR XDG_STATE_HOME', args, {
      HOME: home.folder,
    });
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk of the state folder is full',
    stage: 'deploy: before',
    exit: 3,
    code: 'DISK_FULL',
    message: "Cannot write the deployment's state in …/deployments.",
    ...NONE,
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 1);
    disk.fill();
    const env = { SCRATCHPAD_STATE_DIR: join(disk.folder, 'state') };
    return { result: await lab.run(await deploy(), { env }) };
  },
);

fault(
  import.meta,
  {
    fault: 'there is no temporary folder',
    stage: 'deploy',
    exit: 0,
    code: null,
    message: null,
    kept: 'nothing',
    left: 'deployment',
  },
  async (lab) => ({
    result: await lab.run(await deploy(), { env: { TMPDIR: join(lab.folder, 'none') } }),
  }),
);

fault(
  import.meta,
  {
    fault: 'the results folder is read-only',
    stage: 'load: before',
    exit: 3,
    code: 'OUTPUT_UNWRITABLE',
    message: 'Cannot write …/load-bare-….json',
    ...NONE,
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 1);
    disk.lock();
    return { result: await lab.run(LOAD, { env: { SCRATCHPAD_RESULTS_DIR: disk.folder } }) };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk of the results is full before',
    stage: 'load: before',
    exit: 3,
    code: 'DISK_FULL',
    message: 'No space left to write …/load-bare-….json',
    ...NONE,
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 1);
    disk.fill();
    const result = await lab.run(LOAD, { env: { SCRATCHPAD_RESULTS_DIR: disk.folder } });
    assert.deepEqual(readdirSync(disk.folder), ['filler']);
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'a file of the artifact was changed after the build',
    stage: 'deploy: prepare',
    exit: 3,
    code: 'ARTIFACT_MISSING',
    message: '…/server.mjs has changed since the build.',
    ...NONE,
  },
  async (lab) => {
    // a checkout of the test's own: only what the CLI needs of it
    const copy = join(lab.folder, 'checkout');
    for (const name of ['cli/bin', 'dist', 'infra', 'fixtures/posts.json', 'package.json']) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    appendFileSync(join(copy, 'dist/workload/server.mjs'), '\n// changed\n');
    const own = join(copy, 'cli/bin/run.js');
    const result = await lab.limited(`shift 2; set -- "${process.execPath}" "${own}" "$@"`, [
      ...(await deploy()),
    ]);
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'a scenario file that is not one',
    stage: 'load: before',
    exit: 2,
    code: 'BAD_SCENARIO',
    message: '…/scenario.json…',
    ...NONE,
  },
  async (lab) => {
    const file = join(lab.folder, 'scenario.json');
    writeFileSync(file, '{"name":"x","operations":[{"name":"a","weight":-1}]}');
    return { result: await lab.run([...LOAD, '--scenario', file]) };
  },
);
