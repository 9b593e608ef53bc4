/**
 * The machine that a record was made on: what one must know to judge its figures or to make them
 * again, and a fingerprint of what must be equal before two records are compared.
 *
 * In the fingerprint: processor, number of CPUs, memory (to the GiB), kernel, architecture, operating
 * system, governor, mitigations, hypervisor, /dev/kvm, cgroup version, huge pages, KSM, swap, the
 * file system of the state folder and its kind of device. Not in it: load, steal and time (they
 * differ from run to run), and the versions of engine and hypervisor (they are properties of one
 * target and are asked of programs that may be slow to answer).
 */
import { createHash } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { arch, cpus, freemem, loadavg, platform, release, totalmem, version } from 'node:os';
import { join } from 'node:path';
import { list, read } from './environment-files.ts';
import { askPrograms, describeEngine, type EngineDescription } from './environment-programs.ts';
import { describeStorage, type StorageDescription } from './environment-storage.ts';
import { type Measured, measuredValue, unavailable } from './measured.ts';
import type { HostRecord } from './schema.ts';

export interface Environment extends HostRecord {
  takenAt: string;
  architecture: string;
  physicalCores: Measured<number>;
  governor: Measured<string>;
  /** By name, as /sys/devices/system/cpu/vulnerabilities says. */
  mitigations: Measured<Record<string, string>>;
  virtualisation: { hypervisor: Measured<boolean>; kind: Measured<string> };
  /** /dev/kvm exists and may be opened. Whether a guest runs on it is in the record of its target. */
  kvm: Measured<boolean>;
  cgroup: Measured<'v1' | 'v2' | 'hybrid'>;
  memoryFreeBytes: number;
  swapBytes: Measured<number>;
  transparentHugePages: Measured<string>;
  ksm: Measured<boolean>;
  storage: StorageDescription[];
  docker: Measured<EngineDescription>;
  qemu: Measured<string>;
  libvirt: Measured<string>;
  vagrant: Measured<string>;
  node: { version: string; v8: string };
  gitCommit: Measured<string>;
  /** Before the run: 1, 5 and 15 minutes. */
  loadAverage: number[];
  /** Since boot, of all CPUs, in ms. */
  steal: Measured<{ stealMs: number; totalMs: number }>;
}

/** Never throws; what this host does not tell is unavailable with the reason. */
export async function captureEnvironment(): Promise<Environment> {
  const { engine, ...others } = await askPrograms();
  const facts = {
    cpuModel: cpuModel(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: `${platform()} ${release()}`,
    os: osName(),
    architecture: arch(),
    physicalCores: physicalCores(),
    governor: fromFile('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    mitigations: mitigations(),
    virtualisation: { hypervisor: hypervisorFlag(), kind: others.virtualisation },
    kvm: kvm(),
    cgroup: cgroupVersion(),
    swapBytes: swapBytes(),
    transparentHugePages: transparentHugePages(),
    ksm: ksm(),
    storage: describeStorage(engine),
  };
  return {
    ...facts,
    fingerprint: fingerprintOf(facts),
    summary: summaryOf(facts),
    takenAt: new Date().toISOString(),
    memoryFreeBytes: freemem(),
    docker: describeEngine(engine),
    qemu: others.qemu,
    libvirt: others.libvirt,
    vagrant: others.vagrant,
    node: { version: process.versions.node, v8: process.versions.v8 },
    gitCommit: others.gitCommit,
    loadAverage: loadavg(),
    steal: steal(),
  };
}

type Facts = Pick<
  Environment,
  | 'cpuModel'
  | 'cpus'
  | 'memoryBytes'
  | 'kernel'
  | 'os'
  | 'architecture'
  | 'governor'
  | 'mitigations'
  | 'virtualisation'
  | 'kvm'
  | 'cgroup'
  | 'swapBytes'
  | 'transparentHugePages'
  | 'ksm'
  | 'storage'
>;

/** SHA-256 of the facts that make figures comparable, in a fixed order. */
export function fingerprintOf(facts: Facts): string {
  const known = <T>(value: Measured<T>) => measuredValue(value) ?? 'unavailable';
  const mitigationsKnown = measuredValue(facts.mitigations);
  const parts = [
    known(facts.cpuModel),
    facts.cpus,
    // The kernel's own reservation moves the total by a few MiB from boot to boot.
    Math.round(facts.memoryBytes / 2 ** 30),
    facts.kernel,
    facts.os,
    facts.architecture,
    known(facts.governor),
    mitigationsKnown === undefined
      ? 'unavailable'
      : Object.entries(mitigationsKnown).sort(([a], [b]) => (a < b ? -1 : 1)),
    known(facts.virtualisation.hypervisor),
    known(facts.kvm),
    known(facts.cgroup),
    (measuredValue(facts.swapBytes) ?? 0) > 0,
    known(facts.transparentHugePages),
    known(facts.ksm),
    // Where the bare target's database is. Docker's is known only while the engine runs.
    facts.storage
      .filter(({ use }) => use === 'state')
      .map(({ use, fileSystem, rotational }) => [use, fileSystem, known(rotational)]),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** One line, e.g. `AMD EPYC, 2 CPUs, 24 GiB, linux 6.18, Debian 12, virtual, no KVM, cgroup v1`. */
export function summaryOf(facts: Facts): string {
  const cgroup = measuredValue(facts.cgroup);
  return [
    measuredValue(facts.cpuModel) ?? facts.architecture,
    `${facts.cpus} ${facts.cpus === 1 ? 'CPU' : 'CPUs'}`,
    `${Math.round(facts.memoryBytes / 2 ** 30)} GiB`,
    facts.kernel,
    facts.os,
    ...(measuredValue(facts.virtualisation.hypervisor) === true ? ['a virtual machine'] : []),
    measuredValue(facts.kvm) === true ? '/dev/kvm' : 'no KVM',
    ...(cgroup === undefined ? [] : [`cgroup ${cgroup}`]),
  ].join(', ');
}

function cpuModel(): Measured<string> {
  return cpus()[0]?.model.trim() || unavailable('the host does not name its processor');
}

function osName(): string {
  const pretty = /^PRETTY_NAME="?([^"\n]*)"?/m.exec(read('/etc/os-release') ?? '')?.[1];
  return pretty ?? `${platform()} ${version()}`;
}

function physicalCores(): Measured<number> {
  const folder = '/sys/devices/system/cpu';
  const cores = new Set<string>();
  for (const name of list(folder)) {
    if (!/^cpu\d+$/.test(name)) continue;
    const siblings = read(`${folder}/${name}/topology/thread_siblings_list`);
    if (siblings !== undefined) cores.add(siblings.trim());
  }
  return cores.size > 0 ? cores.size : unavailable('no CPU topology in /sys');
}

function mitigations(): Measured<Record<string, string>> {
  const folder = '/sys/devices/system/cpu/vulnerabilities';
  const found: Record<string, string> = {};
  for (const name of list(folder)) found[name] = read(join(folder, name))?.trim() ?? 'unreadable';
  return Object.keys(found).length > 0 ? found : unavailable('no list of mitigations in /sys');
}

/** The CPUID bit that every hypervisor sets for its guests; ARM has none. */
function hypervisorFlag(): Measured<boolean> {
  const flags = /^flags\s*:(.*)$/m.exec(read('/proc/cpuinfo') ?? '')?.[1];
  return flags === undefined
    ? unavailable('this processor has no flag for it')
    : flags.split(' ').includes('hypervisor');
}

function kvm(): Measured<boolean> {
  if (platform() !== 'linux') return unavailable(`KVM is of Linux, this is ${platform()}`);
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function cgroupVersion(): Environment['cgroup'] {
  const mounts = read('/proc/self/mountinfo');
  if (mounts === undefined) return unavailable('no /proc/self/mountinfo');
  const v1 = / - cgroup \S+ \S*\bmemory\b/.test(mounts);
  const v2 = / - cgroup2 /.test(mounts);
  if (v1 && v2) return 'hybrid';
  if (v1) return 'v1';
  return v2 ? 'v2' : unavailable('no cgroup file system is mounted');
}

function swapBytes(): Measured<number> {
  const total = /^SwapTotal:\s*(\d+) kB/m.exec(read('/proc/meminfo') ?? '')?.[1];
  return total === undefined ? unavailable('no /proc/meminfo') : Number(total) * 1024;
}

function transparentHugePages(): Measured<string> {
  const text = read('/sys/kernel/mm/transparent_hugepage/enabled');
  const chosen = text === undefined ? undefined : /\[(\w+)\]/.exec(text)?.[1];
  return chosen ?? unavailable('the kernel has no transparent huge pages');
}

function ksm(): Measured<boolean> {
  const text = read('/sys/kernel/mm/ksm/run')?.trim();
  return text === undefined ? unavailable('the kernel has no KSM') : text === '1';
}

function steal(): Environment['steal'] {
  const fields = /^cpu\s+(.*)$/m
    .exec(read('/proc/stat') ?? '')?.[1]
    ?.split(/\s+/)
    .map(Number);
  if (fields === undefined) return unavailable('no /proc/stat');
  // guest and guest_nice, the last two, are in user and nice already.
  const totalMs = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0) * 10;
  return { stealMs: (fields[7] ?? 0) * 10, totalMs };
}

function fromFile(path: string): Measured<string> {
  return read(path)?.trim() ?? unavailable(`no ${path}`);
}
