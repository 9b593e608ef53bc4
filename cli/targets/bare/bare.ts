/**
 * Target `bare`: the workload as a process on the host, under the same ceilings as a container
 * where the host has cgroups that we may use. The baseline that the others are held against.
 */
import { ScratchpadError } from '../../errors.ts';
import { throwIfAborted } from '../command.ts';
import { hostWorkload } from '../host-workload.ts';
import {
  DEPLOYMENT_MARKER,
  environmentOf,
  findMarked,
  identify,
  OWNER_MARKER,
  terminate,
} from '../process-identity.ts';
import { newState, ownerTag, readStates } from '../state.ts';
import type {
  Deployment,
  DeploymentPlan,
  DeploymentState,
  DeployOptions,
  Prepared,
  Progress,
  Target,
} from '../target.ts';
import { cgroupPids, listCgroups, removeCgroup } from './cgroup.ts';
import { cgroupLayout } from './cgroup-layout.ts';
import { BareDeployment, type BareResources, exceedsHost } from './deployment.ts';
import { logFile } from './names.ts';
import { limitsNotApplied } from './start-process.ts';

export const bare: Target = {
  name: 'bare',
  summary: 'the workload as a plain process on this host',
  providers: [],

  async availability() {
    const layout = cgroupLayout();
    const notes = layout.version === null ? [limitsNotApplied(layout.reason)] : [];
    return { available: true, provider: null, notes };
  },

  async paths() {
    return ['loopback'];
  },

  async plan(options: DeployOptions): Promise<DeploymentPlan> {
    if (options.path !== null && options.path !== 'loopback') {
      throw new ScratchpadError('BAD_FLAG', `bare has no path "${options.path}".`, {
        hint: 'Its only path is loopback.',
      });
    }
    if (options.provider !== null) {
      throw new ScratchpadError('UNKNOWN_PROVIDER', 'bare has no providers.', {
        hint: 'Leave `--provider` out.',
      });
    }
    const layout = cgroupLayout();
    const warnings = layout.version === null ? [limitsNotApplied(layout.reason)] : [];
    if (exceedsHost(options.limits.cpus)) {
      warnings.push(`bare: ${options.limits.cpus} CPUs are more than this host has`);
    }
    return {
      target: 'bare',
      provider: null,
      providerReason: null,
      options,
      path: 'loopback',
      acceleration: null,
      warnings,
    };
  },

  async prepare(plan: DeploymentPlan, progress: Progress, signal: AbortSignal): Promise<Prepared> {
    progress.step('checking the artifact');
    const startedAt = performance.now();
    const workload = await hostWorkload(plan.options);
    throwIfAborted(signal);
    const durationMs = performance.now() - startedAt;
    return {
      durationMs,
      cached: true,
      artifactSha256: workload.artifactSha256,
      runtimeSha256: workload.runtimeSha256,
      steps: [{ name: 'check the artifact', durationMs, cached: true }],
      handles: {
        command: workload.command,
        runtimePath: workload.runtimePath,
        runtimeVersion: workload.runtimeVersion,
      },
      warnings: workload.warnings,
    };
  },

  async start(plan, prepared, progress, signal): Promise<Deployment> {
    throwIfAborted(signal);
    progress.step('starting the process');
    const resources: BareResources = {
      process: null,
      cgroup: null,
      runtimePath: String(prepared.handles['runtimePath']),
      log: logFile(plan.options.id),
    };
    const deployment = new BareDeployment(newState(plan, prepared, { ...resources }));
    for (const warning of await deployment.launch()) progress.warn(warning);
    return deployment;
  },

  async attach(state: DeploymentState): Promise<Deployment> {
    return new BareDeployment(state);
  },

  async sweep(): Promise<{ removed: string[] }> {
    const owner = ownerTag();
    const known = new Set(readStates().states.map(({ id }) => id));
    const removed: string[] = [];
    const orphans = findMarked(OWNER_MARKER, owner).filter(
      ({ pid }) => !known.has(environmentOf(pid, DEPLOYMENT_MARKER) ?? ''),
    );
    for (const { pid } of orphans) removed.push(`process ${pid}`);
    let left = await terminate(orphans, 1_000);
    for (const name of listCgroups(`${owner}-`)) {
      if (known.has(name.slice(owner.length + 1))) continue;
      left = left.concat(await terminate(cgroupPids(name).map(identify), 1_000));
      await removeCgroup(name);
      removed.push(`cgroup ${name}`);
    }
    if (left.length > 0) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new ScratchpadError('CLEANUP_INCOMPLETE', `Process ${pids} does not end.`);
    }
    return { removed };
  },
};
