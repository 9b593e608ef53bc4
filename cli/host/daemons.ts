/** Starting the engine's and libvirt's daemons, and waiting until they answer. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScratchpadError } from '../errors.ts';
import { lastLines, throwIfAborted } from '../targets/command.ts';
import { tailOfFile } from '../targets/log-file.ts';
import type { Elevated } from './install.ts';
import { infraFolder } from './paths.ts';

/** dockerd needs about 5 s on a slow host. */
const ANSWER_TIMEOUT_MS = 60_000;
const ASK_INTERVAL_MS = 250;
/** Of one question: a daemon that is starting may take a connection and answer nothing. */
const ASK_TIMEOUT_MS = 10_000;
const LOG_FOLDER = '/var/log';

interface Daemon {
  name: string;
  /** The service unit, where systemd runs. */
  unit: string;
  /** By hand, where it does not: detached, with its log and pid file. */
  command: string[];
  /** Exits 0 when it answers. */
  ask: [string, ...string[]];
}

const DOCKERD: Daemon = {
  name: 'dockerd',
  unit: 'docker.service',
  command: ['dockerd'],
  ask: ['docker', 'version', '--format', '{{.Server.Version}}'],
};
const VIRTLOGD: Daemon = {
  name: 'virtlogd',
  unit: 'virtlogd.service',
  command: ['virtlogd'],
  // its socket stays behind when it is killed: only an answer counts
  ask: ['virt-admin', '-c', 'virtlogd:///system', 'server-list'],
};
const LIBVIRTD: Daemon = {
  name: 'libvirtd',
  unit: 'libvirtd.service',
  command: ['libvirtd'],
  ask: ['virsh', '-c', 'qemu:///system', 'hostname'],
};

/** Names of what had to be started. @throws INSTALL_FAILED with the end of the daemon's log */
export async function startDocker(as: Elevated): Promise<string[]> {
  return start(DOCKERD, as);
}

/** virtlogd first: libvirtd hands it the consoles of the machines. */
export async function startLibvirt(as: Elevated): Promise<string[]> {
  if (!as.host.exists('/run/systemd/system')) {
    await as.call('sh', [join(infraFolder, 'host', 'open-kvm.sh')], 'opening /dev/kvm to QEMU');
  }
  return [...(await start(VIRTLOGD, as)), ...(await start(LIBVIRTD, as))];
}

async function start(daemon: Daemon, as: Elevated): Promise<string[]> {
  const { host, progress } = as;
  if (await answers(daemon, as)) return [];
  progress.step(`starting ${daemon.name}`);
  const log = join(LOG_FOLDER, `scratchpad-${daemon.name}.log`);
  if (host.exists('/run/systemd/system')) {
    const args = ['enable', '--now', daemon.unit];
    await as.call('systemctl', args, `systemctl ${args.join(' ')}`);
  } else {
    const script = join(infraFolder, 'host', 'start-daemon.sh');
    const pidFile = `/run/scratchpad-${daemon.name}.pid`;
    const args = [script, log, pidFile, ...daemon.command];
    await as.call('sh', args, `starting ${daemon.name}`);
  }
  await untilAnswers(daemon, as, log);
  return [daemon.name];
}

async function untilAnswers(daemon: Daemon, as: Elevated, log: string): Promise<void> {
  const until = performance.now() + ANSWER_TIMEOUT_MS;
  while (!(await answers(daemon, as))) {
    throwIfAborted(as.signal);
    if (performance.now() > until) {
      const seconds = ANSWER_TIMEOUT_MS / 1000;
      throw new ScratchpadError(
        'INSTALL_FAILED',
        `${daemon.name} does not answer after ${seconds} s.`,
        {
          cause: lastLines(tailOfFile(log, 5), 5) || undefined,
          hint: `Look at ${as.host.exists(log) ? log : `\`journalctl -u ${daemon.unit}\``}.`,
        },
      );
    }
    await sleep(ASK_INTERVAL_MS, undefined, { signal: as.signal }).catch(() => {});
  }
}

/** Asked as root: the user may not be in the daemon's group yet, which is another matter. */
async function answers({ ask }: Daemon, as: Elevated): Promise<boolean> {
  try {
    await as.call(ask[0], ask.slice(1), ask[0], ASK_TIMEOUT_MS);
    return true;
  } catch (error) {
    throwIfAborted(as.signal);
    if (error instanceof ScratchpadError && error.message.endsWith('needs root.')) throw error;
    return false;
  }
}
