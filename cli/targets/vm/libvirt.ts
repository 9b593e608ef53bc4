/** libvirt, through virsh: volumes of the box, a domain's monitor and end. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import { type CommandResult, lastLines, type Run } from '../command.ts';
import { findMarked } from '../process-identity.ts';

export const LIBVIRT_URI = 'qemu:///system';
export const POOL = 'default';
const POOL_FOLDER = '/var/lib/libvirt/images';
/** Vagrant's management network: ours, so that it can be told from others' and removed. */
export const NETWORK = 'scratchpad-mgmt';

/** In the environment of every `vagrant up`. */
export const UP_MARKER = 'SCRATCHPAD_VAGRANT_UP';

export interface VolumeRequest {
  name: string;
  file: string;
  /** Virtual size. */
  bytes: number;
  format: 'raw' | 'qcow2';
  /** Folder in our cache: one file for each volume that was uploaded to its end. */
  records: string;
}

export class Libvirt {
  readonly #run: Run;
  readonly #isStarting: () => boolean;

  /** `isStarting`: is there a `vagrant up` on this host; for tests. */
  constructor(run: Run, isStarting = () => findMarked(UP_MARKER).length > 0) {
    this.#run = run;
    this.#isStarting = isStarting;
  }

  async try(
    args: readonly string[],
    signal?: AbortSignal,
    timeoutMs = 60_000,
  ): Promise<CommandResult> {
    return this.#run('virsh', ['-q', '-c', LIBVIRT_URI, ...args], {
      signal,
      timeoutMs,
      env: { LC_ALL: 'C' },
    });
  }

  /** @throws ENGINE_FAILED where virsh fails */
  async call(args: readonly string[], signal?: AbortSignal, timeoutMs?: number): Promise<string> {
    const result = await this.try(args, signal, timeoutMs);
    if (result.code === 0) return result.stdout.trim();
    throw libvirtFailed(args[0] ?? 'virsh', result);
  }

  /**
   * Why libvirt cannot be used, with what mends it; null where it can. Asks for the host's name:
   * `version` makes the daemon try every QEMU of the host, which takes seconds.
   */
  async fault(): Promise<{
    code: 'VM_PROVIDER_ABSENT' | 'VM_PERMISSION';
    reason: string;
    hint: string;
  } | null> {
    const result = await this.try(['hostname']);
    return result.code === 0 ? null : faultOf(result);
  }

  /** The storage pool that Vagrant uses as well, made where there is none. */
  async ensurePool(signal: AbortSignal): Promise<void> {
    const info = await this.try(['pool-info', POOL], signal);
    if (info.code !== 0) {
      await this.call(['pool-define-as', POOL, 'dir', '--target', POOL_FOLDER], signal);
      await this.try(['pool-build', POOL], signal);
    }
    if (!/State:\s+running/.test(info.stdout)) await this.call(['pool-start', POOL], signal);
  }

  /**
   * Copies `file` into the pool as `name`, unless it is there whole; returns its path. Whole is one
   * with the sizes that libvirt told when its upload had ended (kept in the folder `records`): of an
   * upload that was killed there is no such record, and of one that was cut off since another size.
   */
  async ensureVolume(
    { name, file, bytes, format, records }: VolumeRequest,
    signal: AbortSignal,
  ): Promise<{ path: string; cached: boolean }> {
    const record = join(records, name);
    const known = await this.try(['vol-path', name, '--pool', POOL], signal);
    if (known.code === 0) {
      const whole = (await this.#sizes(name, signal)) === readText(record);
      // a machine that runs on it has it whole, whoever recorded that
      if (whole || (await this.isUsed())) return { path: known.stdout.trim(), cached: true };
      await this.call(['vol-delete', name, '--pool', POOL], signal);
    }
    rmSync(record, { force: true });
    await this.call(['vol-create-as', POOL, name, String(bytes), '--format', format], signal);
    try {
      await this.call(['vol-upload', name, file, '--pool', POOL, '--sparse'], signal, 5 * 60_000);
      mkdirSync(records, { recursive: true });
      writeFileSync(record, await this.#sizes(name, signal));
    } catch (error) {
      await this.try(['vol-delete', name, '--pool', POOL]);
      throw error;
    }
    return { path: await this.call(['vol-path', name, '--pool', POOL], signal), cached: false };
  }

  /** Virtual size and size of the file, in bytes, as libvirt finds them now. */
  async #sizes(name: string, signal: AbortSignal): Promise<string> {
    const args = ['vol-info', name, '--pool', POOL, '--bytes', '--physical'];
    const said = await this.call(args, signal);
    const [capacity, physical] = ['Capacity', 'Physical'].map(
      (figure) => new RegExp(`^${figure}:\\s+(\\d+)`, 'm').exec(said)?.[1],
    );
    if (capacity === undefined || physical === undefined) {
      throw new ScratchpadError('ENGINE_FAILED', `libvirt tells no size of the volume ${name}.`, {
        cause: said,
        hint: `Try \`virsh -c ${LIBVIRT_URI} ${args.join(' ')}\` by hand.`,
      });
    }
    return `${capacity} ${physical}\n`;
  }

  async volumes(): Promise<string[]> {
    const listed = await this.try(['vol-list', POOL]);
    return listed.stdout.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || []);
  }

  async deleteVolume(name: string): Promise<void> {
    await this.try(['vol-delete', name, '--pool', POOL]);
  }

  /** Names of all domains, running or not. */
  async domains(): Promise<string[]> {
    const listed = await this.call(['list', '--all', '--name']);
    return listed
      .split('\n')
      .map((name) => name.trim())
      .filter(Boolean);
  }

  async description(domain: string): Promise<string> {
    return (await this.try(['desc', domain])).stdout.trim();
  }

  /** 'running', 'shut off', 'paused', …; null where there is no such domain. */
  async state(domain: string): Promise<{ state: string; reason: string } | null> {
    const result = await this.try(['domstate', domain, '--reason']);
    if (result.code !== 0) return null;
    const match = /^(.*?)(?: \((.*)\))?$/.exec(result.stdout.trim());
    return { state: match?.[1] ?? '', reason: match?.[2] ?? '' };
  }

  async monitor(domain: string, line: string): Promise<string> {
    return this.call(['qemu-monitor-command', domain, '--hmp', line]);
  }

  /**
   * Is there a machine of ours, of whichever state folder, or one on its way? A `vagrant up` needs
   * network and volumes before its domain is there to be seen.
   */
  async isUsed(): Promise<boolean> {
    const domains = await this.domains();
    return domains.some((name) => name.startsWith('scratchpad-')) || this.#isStarting();
  }

  /** Ends and forgets a domain and its own disks; the network too, once nothing of ours uses it. */
  async removeDomain(domain: string): Promise<void> {
    await this.try(['destroy', domain]);
    await this.try(['undefine', domain, '--nvram', '--managed-save', '--snapshots-metadata']);
    for (const volume of await this.volumes()) {
      if (volume === `${domain}.img` || volume.startsWith(`${domain}_`))
        await this.deleteVolume(volume);
    }
    if (await this.state(domain)) {
      throw new ScratchpadError('CLEANUP_INCOMPLETE', `The libvirt domain ${domain} is left.`, {
        hint: `Remove it with \`virsh -c ${LIBVIRT_URI} destroy ${domain}\` and \`… undefine ${domain}\`.`,
      });
    }
    if (!(await this.isUsed())) {
      await this.try(['net-destroy', NETWORK]);
      await this.try(['net-undefine', NETWORK]);
    }
  }
}

/** From virsh's words. Pure. */
export function faultOf(result: Pick<CommandResult, 'missing' | 'stderr'>): {
  code: 'VM_PROVIDER_ABSENT' | 'VM_PERMISSION';
  reason: string;
  hint: string;
} {
  if (result.missing) {
    return {
      code: 'VM_PROVIDER_ABSENT',
      reason: 'libvirt is not installed',
      hint: 'Run `scratchpad doctor --install`.',
    };
  }
  const said = lastLines(result.stderr, 2);
  if (/authentication|Permission denied|access denied|polkit/i.test(said)) {
    return {
      code: 'VM_PERMISSION',
      reason: `this user may not use libvirt: ${said}`,
      hint: 'Run `sudo usermod -aG libvirt $USER` and log in again.',
    };
  }
  return {
    code: 'VM_PROVIDER_ABSENT',
    reason: `the libvirt daemon does not run: ${said}`,
    hint: 'Start it with `sudo systemctl start libvirtd`, or where there is no systemd `sudo virtlogd -d && sudo libvirtd -d`.',
  };
}

function libvirtFailed(what: string, result: CommandResult): ScratchpadError {
  const full = /No space left/.test(result.stderr);
  return new ScratchpadError(full ? 'DISK_FULL' : 'ENGINE_FAILED', `libvirt: ${what} failed.`, {
    cause: lastLines(result.stderr, 3),
    hint: full
      ? `Free some space in ${POOL_FOLDER}.`
      : `Try \`virsh -c ${LIBVIRT_URI} ${what}\` by hand.`,
  });
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
