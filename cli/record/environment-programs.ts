/** What only programs know: versions of engine and hypervisors, the checkout, the kind of machine. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../host/paths.ts';
import { list } from './environment-files.ts';
import { isUnavailable, type Measured, unavailable } from './measured.ts';

const run = promisify(execFile);

/** Each program gets so long, all at once; `docker info`, the slowest, takes 0.1 s. */
const PROGRAM_TIMEOUT_MS = 2_000;

export interface EngineDescription {
  version: string;
  storageDriver: string;
  backingFileSystem: Measured<string>;
  cgroupDriver: string;
  cgroupVersion: string;
  operatingSystem: string;
}

/** All at once; each answer is there or says why not. */
export async function askPrograms() {
  const [engine, qemu, libvirt, vagrant, virtualisation, gitCommit] = await Promise.all([
    askEngine(),
    firstLine(`qemu-system-${qemuArchitecture()}`, ['--version']),
    firstLine('virsh', ['--version']),
    vagrantVersion(),
    virtualisationKind(),
    existsSync(join(packageRoot, '.git'))
      ? firstLine('git', [
          ...['-C', packageRoot, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'],
        ])
      : unavailable('not a git checkout: an installed package'),
  ]);
  return { engine, qemu, libvirt, vagrant, virtualisation, gitCommit };
}

/** What is used of `docker info`. */
export interface DockerInfo {
  ServerVersion?: string;
  Driver?: string;
  DriverStatus?: Array<[string, string]> | null;
  CgroupDriver?: string;
  CgroupVersion?: string;
  OperatingSystem?: string;
  DockerRootDir?: string;
  ServerErrors?: string[];
}

async function askEngine(): Promise<Measured<DockerInfo>> {
  const text = await ask('docker', ['info', '--format', '{{json .}}']);
  if (typeof text !== 'string') return text;
  try {
    const info = JSON.parse(text) as DockerInfo;
    // The client may exit with 0 without an engine when a format is asked for.
    if (info.ServerErrors?.length) return unavailable(info.ServerErrors[0]!);
    return info.ServerVersion ? info : unavailable('docker info tells of no engine');
  } catch {
    return unavailable('docker info did not answer in JSON');
  }
}

export function describeEngine(info: Measured<DockerInfo>): Measured<EngineDescription> {
  if (isUnavailable(info)) return info;
  const backing = info.DriverStatus?.find(([key]) => key === 'Backing Filesystem')?.[1];
  return {
    version: info.ServerVersion!,
    storageDriver: info.Driver ?? 'unknown',
    backingFileSystem: backing ?? unavailable('the engine does not tell'),
    cgroupDriver: info.CgroupDriver ?? 'unknown',
    cgroupVersion: info.CgroupVersion ?? 'unknown',
    operatingSystem: info.OperatingSystem ?? 'unknown',
  };
}

function qemuArchitecture(): string {
  return { x64: 'x86_64', arm64: 'aarch64' }[arch() as string] ?? arch();
}

/**
 * From the name of its gem's folder, where Debian's and HashiCorp's packages put it: starting
 * Vagrant to ask costs 0.2 s of CPU, ten times as much as all the others.
 */
async function vagrantVersion(): Promise<Measured<string>> {
  for (const folder of [
    '/usr/share/rubygems-integration/all/specifications',
    '/opt/vagrant/embedded/gems/specifications',
  ]) {
    const gem = list(folder).find((name) => /^vagrant-\d[\d.]*\.gemspec$/.test(name));
    if (gem !== undefined) return `Vagrant ${gem.slice('vagrant-'.length, -'.gemspec'.length)}`;
  }
  return firstLine('vagrant', ['--version']);
}

/** `systemd-detect-virt` exits with 1 for "none". */
async function virtualisationKind(): Promise<Measured<string>> {
  const vm = await ask('systemd-detect-virt', ['--vm']);
  return typeof vm === 'string' ? vm.trim() : vm;
}

/** Standard output; unavailable where the program is absent, slow, or fails without output. */
async function ask(command: string, args: string[]): Promise<Measured<string>> {
  try {
    const { stdout } = await run(command, args, { timeout: PROGRAM_TIMEOUT_MS });
    return stdout;
  } catch (error) {
    const { code, killed, stdout, stderr } = error as NodeJS.ErrnoException & {
      killed?: boolean;
      stdout?: string;
      stderr?: string;
    };
    if (code === 'ENOENT') return unavailable(`${command} is not installed`);
    if (killed) return unavailable(`${command} gave no answer in ${PROGRAM_TIMEOUT_MS} ms`);
    if (stdout?.trim()) return stdout;
    return unavailable(`${command} failed: ${stderr?.trim().split('\n').at(-1) || String(code)}`);
  }
}

async function firstLine(command: string, args: string[]): Promise<Measured<string>> {
  const output = await ask(command, args);
  return typeof output === 'string' ? (output.split('\n')[0] ?? '').trim() : output;
}
