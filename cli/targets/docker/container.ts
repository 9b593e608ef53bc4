/** `docker run`, as arguments. Pure: what the container may do stands here and nowhere else. */
import { MAX_PIDS } from '../options.ts';
import type { DeploymentPlan } from '../target.ts';
import { workloadEnvironment } from '../workload-env.ts';
import { containerName, deploymentLabels, labelArguments, volumeName } from './labels.ts';

/** The port inside; on the host's network it is the published one. */
export const CONTAINER_PORT = 5001;
const DATABASE_FILE = '/data/scratchpad.db';

/** The workload drains for at most 10 s by itself, then the engine kills it. */
export const STOP_GRACE_SECONDS = 12;

export function runArguments(plan: DeploymentPlan, image: string): string[] {
  const { options, path } = plan;
  const { id, limits, cpuSet } = options;
  const hostNetwork = path === 'host-network';
  const place = hostNetwork
    ? { host: options.host, port: options.port }
    : { host: '0.0.0.0', port: CONTAINER_PORT };
  const environment = workloadEnvironment(options, { ...place, databaseFile: DATABASE_FILE });
  return [
    'run',
    '--detach',
    '--pull=never',
    `--name=${containerName(id)}`,
    ...labelArguments(deploymentLabels(id)),
    // what it may do: nothing but listen, compute, and write to /data and /tmp
    '--read-only',
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
    '--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777',
    `--mount=type=volume,source=${volumeName(id)},target=/data`,
    // what it may use
    `--cpus=${limits.cpus}`,
    `--memory=${limits.memoryBytes}`,
    // memory and swap together: no swap, as for the others
    `--memory-swap=${limits.memoryBytes}`,
    `--pids-limit=${MAX_PIDS}`,
    ...(cpuSet === null ? [] : [`--cpuset-cpus=${cpuSet.join(',')}`]),
    // how it is reached: from this host alone
    ...(hostNetwork
      ? ['--network=host']
      : [`--publish=${options.host}:${options.port}:${CONTAINER_PORT}`]),
    `--stop-timeout=${STOP_GRACE_SECONDS}`,
    '--restart=no',
    '--log-driver=json-file',
    '--log-opt=max-size=10m',
    '--log-opt=max-file=2',
    ...(options.healthCheck ? [] : ['--no-healthcheck']),
    ...Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    image,
  ];
}
