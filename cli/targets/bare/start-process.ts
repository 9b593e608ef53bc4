/** From a plan to a running process in its cgroup. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  DEPLOYMENT_MARKER,
  identify,
  OWNER_MARKER,
  type ProcessIdentity,
} from '../process-identity.ts';
import type { StartMark } from '../start-mark.ts';
import { ownerTag } from '../state.ts';
import type { DeploymentPlan, Prepared } from '../target.ts';
import { workloadEnvironment } from '../workload-env.ts';
import { type Cgroup, createCgroup } from './cgroup.ts';
import { launch } from './launch.ts';
import { cgroupName, dataFolder, logFile } from './names.ts';

export interface StartedProcess {
  child: ChildProcess;
  process: ProcessIdentity;
  mark: StartMark;
  cgroup: Cgroup | null;
  warnings: string[];
}

/** `existing`: the cgroup of a stopped deployment, used again. */
export async function startProcess(
  { options }: DeploymentPlan,
  { handles }: Prepared,
  existing: Cgroup | null,
): Promise<StartedProcess> {
  const { id, limits, cpuSet } = options;
  const data = dataFolder(id);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const made = existing ?? createCgroup(cgroupName(id), limits, cpuSet);
  const cgroup = 'reason' in made ? null : made;
  const warnings = 'reason' in made ? [limitsNotApplied(made.reason)] : made.warnings;
  const { child, pid, mark } = await launch({
    command: handles['command'] as string[],
    environment: {
      ...hostEnvironment(),
      ...workloadEnvironment(options, {
        host: options.host,
        port: options.port,
        databaseFile: join(data, 'scratchpad.db'),
      }),
      [DEPLOYMENT_MARKER]: id,
      [OWNER_MARKER]: ownerTag(),
    },
    cwd: data,
    logFile: logFile(id),
    cgroup,
    cpuSet,
  });
  return { child, process: identify(pid), mark, cgroup, warnings };
}

export function limitsNotApplied(reason: string): string {
  return `bare: limits not applied: ${reason}`;
}

/** The little that the operating system itself needs. */
function hostEnvironment(): Record<string, string> {
  const names = process.platform === 'win32' ? ['SystemRoot', 'TEMP', 'PATH'] : ['PATH'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
