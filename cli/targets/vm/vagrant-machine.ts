/** One machine of Vagrant's libvirt provider: its life, its figures, its traces. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScratchpadError } from '../../errors.ts';
import { infraFolder } from '../../host/paths.ts';
import type { Meter } from '../../meters/meter.ts';
import { openMeter } from '../../meters/open.ts';
import { lastLines, runCommand, throwIfAborted } from '../command.ts';
import { tailOfFile } from '../log-file.ts';
import { DEPLOYMENT_MARKER, findMarked, OWNER_MARKER, terminate } from '../process-identity.ts';
import { markStart, type StartMark } from '../start-mark.ts';
import { deploymentFolder, ownerTag } from '../state.ts';
import { storagePart } from '../storage-part.ts';
import type { Deployment, DeploymentState, Phase, StorageReading } from '../target.ts';
import { deepenAcceptQueue } from './accept-queue.ts';
import { markOf, phasesFrom, restartsOnConsole, SerialConsole } from './console.ts';
import { askGuest, guestPhases, guestReading, parseFacts } from './guest-control.ts';
import {
  brokenMachine,
  failedBoot,
  hungGuest,
  type Liveness,
  maxSilenceMs,
  restartedWords,
} from './guest-health.ts';
import { findProgram } from './host.ts';
import { keepLog } from './kept-log.ts';
import { Libvirt, POOL, UP_MARKER } from './libvirt.ts';
import { ownId } from './names.ts';
import { GUEST_PORT, kernelParameters } from './qemu-command.ts';
import { guestEnvironment, type VmHandles } from './qemu-machine.ts';
import { vagrantEnvironment } from './vagrant-box.ts';
import { domainName, NETDEV, vagrantSettings } from './vagrant-settings.ts';

const POWEROFF_MS = 30_000;
const FACTS_TIMEOUT_MS = 10_000;
const DESTROY_GRACE_MS = 5_000;

export class VagrantMachine implements Deployment {
  readonly state: DeploymentState;
  readonly #libvirt = new Libvirt(runCommand);
  #mark: StartMark | null = null;
  #console: SerialConsole | null = null;
  #domainStartedMs: number | null = null;
  #upEndedMs: number | null = null;
  #up: ChildProcess | null = null;
  #upEnd: Promise<void> | undefined;
  #fault: Awaited<ReturnType<Deployment['liveness']>> | null = null;
  #guestPhases: Phase[] | null = null;
  /** The path being opened, or open. */
  #opening: Promise<void> | undefined;

  constructor(state: DeploymentState) {
    this.state = state;
  }

  get url(): string {
    return this.state.url;
  }

  get startedAtNs(): bigint | null {
    return this.#mark?.ns ?? null;
  }

  /** `vagrant up`: it goes on after the first reply, until SSH answers. */
  get startCall(): Promise<void> | undefined {
    return this.#upEnd;
  }

  /** Where the console cannot be read, the path is open to a guest that still boots. */
  get pollsAfterStartCall(): boolean {
    return !canReadConsole();
  }

  get #files() {
    const folder = deploymentFolder(this.state.id);
    return {
      folder,
      consoleLog: join(folder, 'console.log'),
      vagrantLog: join(folder, 'vagrant.log'),
      key: join(folder, 'ssh-key'),
    };
  }

  get #domain(): string {
    return domainName(this.state.id);
  }

  get #handles(): VmHandles & { vagrantBox: string } {
    if (this.state.prepared === null) throw new Error('vm: start before prepare');
    return this.state.prepared.handles as unknown as VmHandles & { vagrantBox: string };
  }

  /** Key and settings, and then the start call. */
  async create(signal: AbortSignal): Promise<void> {
    const { folder, key } = this.#files;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // RSA in PEM: what every version of Vagrant's SSH library reads
    const made = await runCommand(
      'ssh-keygen',
      ['-q', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', '', '-C', 'scratchpad', '-f', key],
      { signal },
    );
    if (made.code !== 0) {
      throw new ScratchpadError('TARGET_START_FAILED', 'No SSH key could be made for Vagrant.', {
        cause: made.missing ? 'ssh-keygen is not installed' : lastLines(made.stderr, 2),
        hint: 'Install it: `sudo apt-get install openssh-client`.',
      });
    }
    copyFileSync(join(infraFolder, 'vagrant', 'Vagrantfile'), join(folder, 'Vagrantfile'));
    this.#writeSettings();
    Object.assign(this.state.resources, {
      domain: this.#domain,
      pool: POOL,
      consoleLog: this.#files.consoleLog,
      vagrantLog: this.#files.vagrantLog,
    });
    this.launch();
  }

  #writeSettings(): void {
    const { plan, id } = this.state;
    const { folder, key, consoleLog } = this.#files;
    const handles = this.#handles;
    const kind = plan.acceleration === 'kvm' ? 'kvm' : 'tcg';
    // "type base64": the comment is dropped, and a kernel parameter has no blanks
    const publicKey = readFileSync(`${key}.pub`, 'utf8').split(' ').slice(0, 2).join('~').trim();
    const settings = vagrantSettings({
      id,
      owner: ownerTag(),
      options: plan.options,
      acceleration: kind,
      architecture: handles.architecture,
      box: handles.vagrantBox,
      kernel: handles.kernel,
      initrd: handles.initrd,
      privateKey: key,
      consoleLog,
      tunnel: plan.path === 'ssh-tunnel',
      commandLine: (mac) =>
        kernelParameters(handles.architecture, kind, [
          'scratchpad.mgmt',
          `scratchpad.mac=${mac}`,
          `scratchpad.ssh=${publicKey}`,
          ...guestEnvironment(this.state),
        ]),
    });
    writeFileSync(join(folder, 'settings.json'), `${JSON.stringify(settings, null, 2)}\n`, {
      mode: 0o600,
    });
  }

  /** The start call, of a new machine and of a stopped one. */
  launch(): void {
    const { folder, consoleLog, vagrantLog } = this.#files;
    this.#console?.close();
    this.#guestPhases = null;
    this.#opening = undefined;
    this.#fault = null;
    this.#domainStartedMs = null;
    this.#upEndedMs = null;
    writeFileSync(consoleLog, '', { mode: 0o600 });
    this.#console = new SerialConsole(consoleLog, 0, ({ text }) => {
      if (markOf(text) === 'listening') this.#opening = this.#forward();
    });
    const log = createWriteStream(vagrantLog, { flags: 'a', mode: 0o600 });
    // A full disk, or the folder was removed under it: what Vagrant says is kept here as well, and a
    // log that cannot be written is no reason to end.
    log.on('error', () => {});
    const mark = markStart();
    this.#mark = mark;
    const sinceMark = () => Number(process.hrtime.bigint() - mark.ns) / 1e6;
    const up = spawn(
      'vagrant',
      ['up', '--machine-readable', '--no-provision', '--provider', 'libvirt'],
      {
        cwd: folder,
        env: {
          ...process.env,
          ...vagrantEnvironment(),
          [DEPLOYMENT_MARKER]: this.state.id,
          [OWNER_MARKER]: ownerTag(),
          [UP_MARKER]: this.state.id,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      },
    );
    this.#up = up;
    // where the console cannot be read, nothing tells when the workload listens, and the path is
    // opened as soon as there is a machine
    const isBlind = !canReadConsole();
    let isForwarding = false;
    let said = '';
    for (const stream of [up.stdout, up.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        log.write(chunk);
        said = (said + chunk).slice(-64 * 1024);
        if (this.#domainStartedMs === null && /Starting domain/.test(said)) {
          this.#domainStartedMs = sinceMark();
        }
        if (isBlind && !isForwarding && /Waiting for domain to get an IP/.test(said)) {
          isForwarding = true;
          this.#opening = this.#forward();
        }
      });
    }
    const ended = new Promise<void>((resolve, reject) => {
      up.once('error', (error) => reject(vagrantFailed(error.message)));
      up.once('close', (code, signal) => {
        log.end();
        this.#upEndedMs = sinceMark();
        if (code === 0) resolve();
        else {
          const words = errorsIn(said) || lastLines(said, 5);
          reject(vagrantFailed(words || `vagrant up ended with ${code ?? signal}`));
        }
      });
    });
    ended.catch((error: ScratchpadError) => {
      this.#fault ??= {
        alive: false,
        detail: `${error.message} ${String(error.cause)}`,
        code: error.code,
      };
    });
    this.#upEnd = ended;
  }

  /** Opens the plain path: called when the console says that the workload listens. */
  async #forward(): Promise<void> {
    const { options, path } = this.state.plan;
    if (path === 'ssh-tunnel') return; // Vagrant opens it when SSH answers
    const rule = `tcp:${options.host}:${options.port}-:${GUEST_PORT}`;
    try {
      const said = await this.#libvirt.monitor(this.#domain, `hostfwd_add ${NETDEV} ${rule}`);
      if (said === '') {
        const pid = qemuPid(this.#domain);
        if (pid !== null) await deepenAcceptQueue(this.state.plan, pid);
        return;
      }
      this.#fault = {
        alive: false,
        detail: `${options.host}:${options.port} cannot be forwarded: ${said}`,
        code: 'PORT_IN_USE',
      };
    } catch (error) {
      this.#fault = {
        alive: false,
        detail: String((error as Error).message),
        code: 'TARGET_UNREACHABLE',
      };
    }
  }

  /** Vagrant's own part first and last; once the workload listens, waits for `vagrant up` to end. */
  async phases(): Promise<Phase[]> {
    if (this.#mark === null || this.#console === null) return [];
    this.#console.read();
    const source = 'vagrant --machine-readable';
    const before = this.#domainStartedMs ?? 0;
    const phases: Phase[] = [
      { name: 'vagrant: until the domain starts', startMs: 0, endMs: before, source },
      ...phasesFrom(this.#console.lines, this.#mark.ns, before),
    ];
    const last = phases.at(-1)!;
    if (last.name !== 'service to listening') return phases;
    this.#guestPhases ??= await this.#ask('facts', FACTS_TIMEOUT_MS)
      .then((facts) => guestPhases(phases, parseFacts(facts)))
      .catch(() => []);
    await Promise.all([this.#upEnd?.catch(() => {}), this.#opening]);
    const { endMs } = last;
    return [
      ...phases,
      ...this.#guestPhases,
      {
        name: 'vagrant: until SSH answers',
        startMs: endMs,
        endMs: Math.max(endMs, this.#upEndedMs ?? endMs),
        source,
      },
    ];
  }

  async meter(): Promise<Meter> {
    const pid = qemuPid(this.#domain);
    if (pid === null) throw this.#notRunning();
    const tunnel = findMarked(DEPLOYMENT_MARKER, this.state.id)
      .filter(() => this.state.plan.path === 'ssh-tunnel')
      .map((process) => ({ name: 'ssh tunnel', pid: process.pid }));
    return openMeter({
      kind: 'qemu',
      pid,
      helpers: tunnel,
      guestProbe: async () => guestReading(parseFacts(await this.#ask('facts', FACTS_TIMEOUT_MS))),
      guestSync: async () => {
        await this.#ask('sync', FACTS_TIMEOUT_MS);
      },
    });
  }

  async storage(): Promise<StorageReading> {
    const handles = this.#handles;
    const volumes = (await this.#libvirt.volumes()).filter((name) => name.startsWith(this.#domain));
    const paths = await Promise.all(
      volumes.map((name) => this.#libvirt.call(['vol-path', name, '--pool', POOL])),
    );
    return {
      parts: await Promise.all([
        storagePart('guest system (root disk)', 'shared', handles.rootDisk),
        storagePart('kernel', 'shared', handles.kernel),
        storagePart('initramfs', 'shared', handles.initrd),
        storagePart('runtime and bundle (artifact disk)', 'shared', handles.artifactDisk),
        ...paths.map((path, index) =>
          storagePart(`overlay disk ${volumes[index]}`, 'marginal', path),
        ),
      ]),
    };
  }

  async logs(lines: number): Promise<string> {
    const { consoleLog, vagrantLog } = this.#files;
    // of a Ruby exception its first line tells, and 50 others where it came from
    const vagrant = tailOfFile(vagrantLog, 200).replaceAll(/^\s+from \/.*\n?/gm, '');
    const said = [lastLines(vagrant, 15), tailOfFile(consoleLog, lines).replaceAll('\r', '')];
    return lastLines(said.filter((text) => text !== '').join('\n'), lines);
  }

  async liveness(): ReturnType<Deployment['liveness']> {
    if (this.#fault) return this.#fault;
    const { consoleLog } = this.#files;
    const isStarting = this.#up !== null && this.#upEndedMs === null;
    const domain = await this.#libvirt.state(this.#domain);
    if (domain?.state === 'running') {
      const again = restartedWords(await this.restarts());
      const detail = [`libvirt domain ${this.#domain}`, ...again].join(', ');
      return this.#hang() ?? { alive: true, detail };
    }
    const fault = failedBoot(this.state, consoleLog);
    if (fault !== null) return fault;
    if (domain?.state === 'paused' && /I\/O error/.test(domain.reason)) {
      return {
        alive: false,
        detail: 'the machine is paused: its disk cannot be written',
        code: 'DISK_FULL',
      };
    }
    if (domain?.state === 'paused' || domain?.state === 'crashed') {
      const broken = await this.#brokenState();
      if (broken !== null) return broken;
    }
    if (isStarting) return { alive: true, detail: 'vagrant up is under way' };
    const what = domain === null ? 'does not exist' : `is ${domain.state} (${domain.reason})`;
    return {
      alive: false,
      detail: `libvirt domain ${this.#domain} ${what}; console log: ${keepLog(this.state.id, consoleLog)}`,
    };
  }

  /** By the guest's own systemd, since the machine's last boot. */
  async restarts(): Promise<number | null> {
    return canReadConsole() ? restartsOnConsole(this.#files.consoleLog) : null;
  }

  /** Where this user may not read the console, nothing can be told from its silence. */
  #hang(): Liveness | null {
    const startedMs = this.#domainStartedMs;
    if (this.#console === null || this.#mark === null || startedMs === null) return null;
    if (!canReadConsole()) return null;
    return hungGuest(this.state, this.#files.consoleLog, {
      console: this.#console,
      sinceNs: this.#mark.ns + BigInt(Math.round(startedMs * 1e6)),
      maxMs: maxSilenceMs(this.state.plan),
    });
  }

  /** libvirt pauses a machine while it starts it, too: QEMU itself tells whether it will go on. */
  async #brokenState(): Promise<Liveness | null> {
    const said = await this.#libvirt.monitor(this.#domain, 'info status').catch(() => '');
    const status = /\((internal-error|guest-panicked)\)/.exec(said)?.[1];
    return status === undefined ? null : brokenMachine(this.state, this.#files.consoleLog, status);
  }

  async stop(signal?: AbortSignal): Promise<{ durationMs: number }> {
    throwIfAborted(signal);
    await this.#upEnd?.catch(() => {});
    const startedAt = performance.now();
    if ((await this.#libvirt.state(this.#domain))?.state === 'running') {
      await this.#ask('poweroff', POWEROFF_MS);
      while ((await this.#libvirt.state(this.#domain))?.state === 'running') {
        throwIfAborted(signal);
        if (performance.now() - startedAt > POWEROFF_MS) {
          await this.#libvirt.try(['destroy', this.#domain]);
          throw new ScratchpadError(
            'VM_GUEST_HUNG',
            'The guest did not power off and was switched off.',
            {
              hint: `Its console log: ${this.#files.consoleLog}`,
            },
          );
        }
        await sleep(50);
      }
    }
    this.#console?.close();
    return { durationMs: performance.now() - startedAt };
  }

  async restart(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.launch();
  }

  async destroy(): Promise<void> {
    const { id } = this.state;
    // vagrant up first: it would go on with a machine that is being taken away
    const left = await terminate(findMarked(DEPLOYMENT_MARKER, id), DESTROY_GRACE_MS);
    this.#console?.close();
    await this.#upEnd?.catch(() => {});
    if (left.length > 0) {
      throw new ScratchpadError(
        'CLEANUP_INCOMPLETE',
        `Process ${left.map(({ pid }) => pid).join(', ')} of vm ${id} does not end.`,
      );
    }
    // What `vagrant destroy` does, without the seconds that Ruby takes to start, and also after a
    // crash that left a domain without Vagrant's own files.
    if (findProgram('virsh') !== null) await this.#libvirt.removeDomain(this.#domain);
    rmSync(this.#files.folder, { recursive: true, force: true });
  }

  #ask(order: 'facts' | 'sync' | 'poweroff', timeoutMs: number): Promise<string> {
    const monitor = (line: string) => this.#libvirt.monitor(this.#domain, line);
    return askGuest({ monitor, netdev: NETDEV }, order, timeoutMs);
  }

  #notRunning(): ScratchpadError {
    return new ScratchpadError('TARGET_DIED', `The machine of ${this.url} is not running.`, {
      hint: `Its console log: ${this.#files.consoleLog}`,
    });
  }
}

/** libvirt's log daemon makes the console's file anew, as root. */
function canReadConsole(): boolean {
  return process.getuid?.() === 0;
}

/** Domains of this state folder that no state file names: left by a crash. */
export async function sweepDomains(known: ReadonlySet<string>): Promise<string[]> {
  const libvirt = new Libvirt(runCommand);
  if (findProgram('virsh') === null || (await libvirt.fault()) !== null) return [];
  const removed: string[] = [];
  for (const domain of await libvirt.domains()) {
    if (!domain.startsWith('scratchpad-')) continue;
    const id = ownId(await libvirt.description(domain));
    if (id === undefined || known.has(id)) continue;
    await libvirt.removeDomain(domain);
    removed.push(`libvirt domain ${domain}`);
  }
  return removed;
}

/** The emulator's process, by the name that libvirt gives it on its command line. */
function qemuPid(domain: string): number | null {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (args.includes(`guest=${domain},debug-threads=on`)) return Number(entry);
    } catch {
      // ended in between
    }
  }
  return null;
}

/**
 * What Vagrant says went wrong: `TIMESTAMP,TARGET,error-exit,CLASS,MESSAGE` of --machine-readable, or
 * the first line of what Ruby prints of an exception that Vagrant did not expect. '': nothing. Pure.
 */
export function errorsIn(output: string): string {
  const lines = output.split('\n');
  const told = lines
    .filter((line) => /^\d+,[^,]*,error-exit,/.test(line))
    .map((line) =>
      line
        .split(',')
        .slice(4)
        .join(',')
        .replaceAll('%!(VAGRANT_COMMA)', ',')
        .replaceAll('\\n', ' ')
        .trim(),
    );
  const thrown = lines.flatMap((line) => /^\S+\.rb:\d+:in .+?': (.+)$/.exec(line)?.[1] ?? []);
  return (told.length > 0 ? told : thrown).join('; ');
}

/** From Vagrant's words. Pure. */
export function vagrantFailed(cause: string): ScratchpadError {
  if (/Permission denied|authentication unavailable/i.test(cause)) {
    return new ScratchpadError('VM_PERMISSION', 'Vagrant may not use libvirt.', {
      cause,
      hint: 'Run `sudo usermod -aG libvirt $USER` and log in again.',
    });
  }
  if (cause.includes('virtlogd-sock')) {
    return new ScratchpadError('VM_PROVIDER_ABSENT', 'libvirt’s log daemon does not run.', {
      cause,
      hint: 'Start it with `scratchpad doctor --install`, or `sudo virtlogd -d` where there is no systemd.',
    });
  }
  return new ScratchpadError('VM_BOOT_FAILED', 'vagrant up failed.', {
    cause,
    hint: 'Its output is in the log; `scratchpad deploy vm --provider qemu` needs no Vagrant.',
  });
}
