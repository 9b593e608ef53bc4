/**
 * How long a boot to the first valid reply and a whole cached `deploy vm` take beside a plain QEMU
 * boot of the same guest until its SSH answers, in pairs on this host, in changing order:
 *
 *   npm run bench:vm -- [pairs, 5]
 *
 * Plain: the kernel, initramfs, disks, processor and memory that `deploy` uses, started by hand,
 * until SSH has sent its banner; once with SSH alone, so that no workload has its part of the one
 * vCPU, and once with all of the guest's services. Prints each round and the medians of the ratios.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../../cli/host/paths.ts';
import { newDeployOptions } from '../../../cli/targets/options.ts';
import { freePort } from '../../../cli/targets/port.ts';
import type { DeploymentPlan, Progress } from '../../../cli/targets/target.ts';
import { NETDEV, qemuArguments } from '../../../cli/targets/vm/qemu-command.ts';
import type { VmHandles } from '../../../cli/targets/vm/qemu-machine.ts';
import { vm } from '../../../cli/targets/vm/vm.ts';

const BOOT_LIMIT_MS = 120_000;
/**
 * A poll does not wait for the one before: what came before the guest's network was up is asked again
 * by QEMU's network only after 6 s, however soon SSH would answer.
 */
const POLL_MS = 200;
/** Any key: SSH is on where the kernel's command line brings one, and nobody logs in here. */
const KEY = 'scratchpad.ssh=ssh-ed25519~AAAAC3NzaC1lZDI1NTE5AAAAIJm0';
const SSH_ALONE = 'systemd.unit=guest-ssh.socket';

const folder = mkdtempSync(join(tmpdir(), 'scratchpad-bench-vm-'));
const environment = { ...process.env, SCRATCHPAD_STATE_DIR: join(folder, 'state') };
process.env['SCRATCHPAD_STATE_DIR'] = environment.SCRATCHPAD_STATE_DIR;

interface Deployed {
  firstHitMs: number;
  prepareMs: number;
  wallMs: number;
  phases: Array<{ name: string; startMs: number; endMs: number }>;
}

/** Ms from the start of QEMU to SSH's banner. */
async function plainBoot(
  plan: DeploymentPlan,
  handles: VmHandles,
  parameters: string[],
): Promise<number> {
  const port = await freePort();
  const overlay = join(folder, 'plain.qcow2');
  const backing = ['-b', handles.rootDisk, '-F', 'qcow2'];
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, overlay]);
  const { limits } = plan.options;
  const args = qemuArguments({
    name: 'scratchpad-plain',
    emulator: handles.emulator,
    architecture: handles.architecture,
    acceleration: handles.acceleration.kind,
    cpus: limits.cpus,
    memoryBytes: limits.memoryBytes,
    kernel: handles.kernel,
    initrd: handles.initrd,
    overlay,
    artifactDisk: handles.artifactDisk,
    parameters: [KEY, 'scratchpad.env.SCRATCHPAD_HOST=127.0.0.1', ...parameters],
    consoleLog: join(folder, 'plain.log'),
    controlSocket: join(folder, 'c.sock'),
    meterSocket: join(folder, 'm.sock'),
  }).map((arg) =>
    arg.startsWith(`user,id=${NETDEV}`) ? `${arg},hostfwd=tcp:127.0.0.1:${port}-:22` : arg,
  );
  const startedAt = performance.now();
  const qemu = spawn(handles.emulator, args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => qemu.once('close', resolve));
  try {
    let bannerMs: number | null = null;
    while (bannerMs === null) {
      void sendsBanner(port).then((isThere) => {
        if (isThere) bannerMs ??= performance.now() - startedAt;
      });
      if (qemu.exitCode !== null) throw new Error(`QEMU ended with ${qemu.exitCode}`);
      if (performance.now() - startedAt > BOOT_LIMIT_MS) throw new Error('SSH does not answer');
      await sleep(POLL_MS);
    }
    return bannerMs;
  } finally {
    qemu.kill('SIGKILL');
    await ended;
  }
}

/** QEMU accepts for the guest and closes again while nobody listens there. */
function sendsBanner(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(10_000, () => socket.destroy());
    socket.once('data', (data) => {
      resolve(data.toString('latin1').startsWith('SSH-'));
      socket.destroy();
    });
    socket.once('error', () => {});
    socket.once('close', () => resolve(false));
  });
}

async function deploy(): Promise<Deployed> {
  const cli = join(packageRoot, 'cli', 'bin', 'run.js');
  const port = String(await freePort());
  const args = ['deploy', 'vm', '--provider', 'qemu', '--json', '--port', port];
  const startedAt = performance.now();
  const options = { env: environment, encoding: 'utf8' as const };
  const said = execFileSync(process.execPath, [cli, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const wallMs = performance.now() - startedAt;
  execFileSync(process.execPath, [cli, 'down', '--all'], { ...options, stdio: 'ignore' });
  const { startUp, prepareMs } = JSON.parse(said) as Pick<Deployed, 'prepareMs'> & {
    startUp: Pick<Deployed, 'firstHitMs' | 'phases'>;
  };
  return { firstHitMs: startUp.firstHitMs, phases: startUp.phases, prepareMs, wallMs };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const quiet: Progress = { step: () => {}, warn: (text) => console.log(text) };

try {
  const pairs = Number(process.argv[2] ?? 5);
  const plan = await vm.plan(newDeployOptions({ provider: 'qemu' }));
  const prepared = await vm.prepare(plan, quiet, AbortSignal.timeout(600_000));
  const handles = prepared.handles as unknown as VmHandles;
  console.log(`acceleration: ${handles.acceleration.kind}`);
  // makes what is missing: from here on everything is cached
  await deploy();
  const ratios: Array<[number, number, number, number]> = [];
  for (let round = 0; round < pairs; round += 1) {
    const steps = {
      alone: () => plainBoot(plan, handles, [SSH_ALONE]),
      deployed: deploy,
      all: () => plainBoot(plan, handles, []),
    };
    const found: Partial<{ alone: number; deployed: Deployed; all: number }> = {};
    const order = Object.keys(steps) as Array<keyof typeof steps>;
    for (const name of round % 2 === 0 ? order : order.reverse()) {
      Object.assign(found, { [name]: await steps[name]() });
    }
    const { alone, all, deployed } = found as Required<typeof found>;
    const { firstHitMs, prepareMs, wallMs, phases } = deployed;
    console.log(
      `SSH alone ${seconds(alone)}, with all services ${seconds(all)}; first valid reply ${seconds(firstHitMs)}; deploy in all ${seconds(wallMs)}, of it prepare ${seconds(prepareMs)}`,
    );
    console.log(
      `  ${phases.map(({ name, startMs, endMs }) => `${name} ${seconds(endMs - startMs)}`).join(', ')}`,
    );
    ratios.push([firstHitMs / alone, firstHitMs / all, wallMs / firstHitMs, wallMs / alone]);
  }
  const names = [
    'first valid reply / SSH alone',
    'first valid reply / SSH with all services',
    'deploy / first valid reply',
    'deploy / SSH alone',
  ];
  for (const [index, name] of names.entries()) {
    const values = ratios.map((each) => each[index]!);
    const all = values.map((value) => value.toFixed(2)).join(' ');
    console.log(`${name}: median ${median(values).toFixed(2)} (${all})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
