/** The way in: from what a target says of its deployment to a meter over all that it costs. */
import { readFileSync } from 'node:fs';
import { ScratchpadError } from '../errors.ts';
import { unavailable } from '../record/measured.ts';
import { locateCgroup } from './cgroup-locate.ts';
import { cgroupParts } from './cgroup-parts.ts';
import { composeMeter } from './compose.ts';
import { readOnce } from './counter-file.ts';
import type { Meter } from './meter.ts';
import { LOOPBACK_REASON, networkPart, noNetwork } from './network.ts';
import { processCpu, processDisk, processMemory } from './process-parts.ts';
import { allProcesses, daemonsAmong, ProcessFiles, processTrees } from './processes.ts';
import type { CgroupSpec, MeterSpec, ProcessTreeSpec } from './spec.ts';

/**
 * Opens the meter of a deployment that runs. Figures that this host can't give are `unavailable` in
 * each reading, with the reason; it rejects only where nothing can be measured at all:
 * TARGET_DIED (the process is gone), ENGINE_FAILED (no such container).
 * A meter belongs to one start of the target: after `restart()` open it anew.
 */
export async function openMeter(spec: MeterSpec): Promise<Meter> {
  switch (spec.kind) {
    case 'cgroup':
      return openCgroup(spec);
    case 'process-tree':
      return openProcessTree(spec);
    case 'docker':
      return (await import('./docker.ts')).openDockerMeter(spec);
    case 'qemu':
      if (process.platform !== 'linux') return withoutProc(`no /proc on ${process.platform}`);
      requireAlive(spec.pid);
      return (await import('./qemu.ts')).openQemuMeter(spec);
  }
}

function openCgroup(spec: CgroupSpec): Meter {
  let groups = { v1: spec.v1, v2: spec.v2 };
  if (groups.v1 === undefined && groups.v2 === undefined && spec.ofPid !== undefined) {
    requireAlive(spec.ofPid);
    const found = locateCgroup(
      readOnce(`/proc/${spec.ofPid}/cgroup`) ?? '',
      readFileSync('/proc/self/mountinfo', 'latin1'),
    );
    if (found === undefined) {
      return openProcessTree({ ...spec, kind: 'process-tree', rootPid: spec.ofPid }, [
        `process ${spec.ofPid} has no cgroup of its own: read from /proc instead`,
      ]);
    }
    groups = { v1: found.v1, v2: found.v2 };
  }
  return composeMeter({
    ...cgroupParts(groups, spec.pids),
    network: networkPart(spec.network),
    helpers: spec.helpers,
    daemons: spec.daemons ?? daemonsAmong(allProcesses()),
    filesPath: spec.filesPath,
  });
}

function openProcessTree(spec: ProcessTreeSpec, notes: string[] = []): Meter {
  if (process.platform !== 'linux') return withoutProc(`no /proc on ${process.platform}`);
  requireAlive(spec.rootPid);
  const set = () => processTrees([spec.rootPid]);
  return composeMeter({
    memory: processMemory(set()),
    cpu: processCpu(set()),
    disk: processDisk(set()),
    processes: set(),
    network: spec.network === undefined ? noNetwork(LOOPBACK_REASON) : networkPart(spec.network),
    helpers: spec.helpers,
    daemons: spec.daemons ?? daemonsAmong(allProcesses()),
    filesPath: spec.filesPath,
    notes,
  });
}

function withoutProc(reason: string): Meter {
  const why = unavailable(reason);
  const source = `none: ${reason}`;
  const part = <T>(figures: T) => ({ source, read: () => figures, close: () => {} });
  return composeMeter({
    memory: part({
      workingSetBytes: why,
      unreclaimableBytes: why,
      pssBytes: why,
      peakBytes: why,
    }),
    cpu: part({ totalMs: why, userMs: why, systemMs: why, throttledMs: why }),
    disk: part({ readBytes: why, writtenBytes: why, readOps: why, writeOps: why }),
    network: part({ receivedBytes: why, sentBytes: why }),
  });
}

function requireAlive(pid: number): void {
  const files = new ProcessFiles(pid);
  const alive = files.stat() !== undefined;
  files.close();
  if (!alive) {
    throw new ScratchpadError('TARGET_DIED', `Process ${pid} has ended, so it can't be metered`, {
      hint: 'See `scratchpad status`, and deploy the target again.',
      details: { pid },
    });
  }
}
