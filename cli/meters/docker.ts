/** A container on this kernel: its cgroup, its network namespace, its shim, proxies and daemons. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { ScratchpadError } from '../errors.ts';
import { type LocatedCgroup, locateCgroup } from './cgroup-locate.ts';
import { cgroupParts } from './cgroup-parts.ts';
import { composeMeter } from './compose.ts';
import { readOnce } from './counter-file.ts';
import { dockerStatsParts } from './docker-stats.ts';
import { openEngineApi } from './engine-api.ts';
import type { Meter } from './meter.ts';
import { networkPart } from './network.ts';
import { allProcesses, daemonsAmong } from './processes.ts';
import type { ProcessStat } from './procfs.ts';
import type { DockerSpec, HelperProcess } from './spec.ts';

const run = promisify(execFile);

/** What is used of `docker inspect`. */
interface Inspected {
  Id: string;
  State: { Pid: number; Status: string };
  Mounts?: Array<{ Type: string; Source?: string; RW: boolean }>;
  GraphDriver?: { Data?: { UpperDir?: string } | null };
  NetworkSettings: {
    IPAddress?: string;
    Networks?: Record<string, { IPAddress?: string; GlobalIPv6Address?: string }>;
  };
}

/** The engine collects once a second and answers with the next collection, one-shot or not. */
const STATS_ANSWER_MS = 2_000;

export async function openDockerMeter(spec: DockerSpec): Promise<Meter> {
  const inspected = await inspect(spec);
  const local = spec.local ? findLocally(inspected) : 'the engine is not on this host';
  if (typeof local !== 'string') return openLocal(local);
  const api = openEngineApi(spec);
  const meter = composeMeter({
    ...dockerStatsParts(api, inspected.Id),
    notes: [local],
    elsewhere: local,
    answersAfterMs: STATS_ANSWER_MS,
  });
  return {
    ...meter,
    async close() {
      await meter.close();
      api.close();
    },
  };
}

async function inspect(spec: DockerSpec): Promise<Inspected> {
  const args = [...(spec.args ?? []), 'inspect', '--type', 'container', spec.containerId];
  try {
    const { stdout } = await run(spec.command ?? 'docker', args, {
      env: spec.env ?? process.env,
      timeout: 10_000,
    });
    return (JSON.parse(stdout) as Inspected[])[0]!;
  } catch (cause) {
    throw new ScratchpadError(
      'ENGINE_FAILED',
      `The container ${spec.containerId} can't be inspected, so it can't be metered`,
      { cause, hint: 'Check with `docker ps` that it runs and that the engine can be reached.' },
    );
  }
}

interface LocalContainer {
  pid: number;
  cgroup: LocatedCgroup;
  helpers: HelperProcess[];
  daemons: HelperProcess[];
  filesPath: string | undefined;
}

/** The container's place on this kernel, or why it can't be seen from here. */
function findLocally(inspected: Inspected): LocalContainer | string {
  const pid = inspected.State.Pid;
  if (pid === 0) return `the container is ${inspected.State.Status}, so it has no process`;
  const groups = readOnce(`/proc/${pid}/cgroup`);
  // The same pid may be another process here (engine in a VM, this CLI in a container).
  if (groups === undefined || !groups.includes(inspected.Id))
    return `process ${pid} is not this container here: the engine runs elsewhere`;
  const cgroup = locateCgroup(groups, readFileSync('/proc/self/mountinfo', 'latin1'));
  if (cgroup === undefined) return `the container's cgroup is not mounted here`;
  const processes = allProcesses();
  return {
    pid,
    cgroup,
    helpers: [...shim(processes, pid), ...proxies(processes, addresses(inspected))],
    daemons: daemonsAmong(processes),
    // The database is on a volume; without one, writes go to the container's own layer.
    filesPath:
      inspected.Mounts?.find((mount) => mount.RW && mount.Type !== 'tmpfs')?.Source ??
      inspected.GraphDriver?.Data?.UpperDir,
  };
}

function openLocal({ pid, cgroup, helpers, daemons, filesPath }: LocalContainer): Meter {
  return composeMeter({
    ...cgroupParts(cgroup, undefined),
    network: networkPart({ kind: 'namespace', pid }),
    helpers,
    daemons,
    filesPath,
  });
}

/** The parent of a container's first process is its shim, whichever containerd made it. */
function shim(processes: readonly ProcessStat[], pid: number): HelperProcess[] {
  const init = processes.find((each) => each.pid === pid);
  const parent = processes.find((each) => each.pid === init?.parentPid);
  return parent !== undefined && /^(containerd-shim|conmon)/.test(parent.name)
    ? [{ name: parent.name, pid: parent.pid }]
    : [];
}

function addresses(inspected: Inspected): string[] {
  const networks = Object.values(inspected.NetworkSettings.Networks ?? {});
  return [
    inspected.NetworkSettings.IPAddress,
    ...networks.flatMap((each) => [each.IPAddress, each.GlobalIPv6Address]),
  ].filter((address) => address !== undefined && address !== '') as string[];
}

/** docker-proxy carries the address that it forwards to on its command line. */
function proxies(processes: readonly ProcessStat[], to: readonly string[]): HelperProcess[] {
  return processes
    .filter((each) => each.name === 'docker-proxy')
    .filter(({ pid }) => {
      const words = (readOnce(`/proc/${pid}/cmdline`) ?? '').split('\0');
      return to.includes(words[words.indexOf('-container-ip') + 1] ?? '');
    })
    .map(({ pid, name }) => ({ name, pid }));
}
