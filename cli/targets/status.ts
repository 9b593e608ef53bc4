/** What is deployed and whether it lives: for `status`. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MeterReading } from '../meters/meter.ts';
import { measuredValue } from '../record/measured.ts';
import { attachDeployment, isBeingCreated } from './deploy.ts';
import { readStates } from './state.ts';
import type { DeploymentState } from './target.ts';

export interface DeploymentStatus {
  id: string;
  target: string;
  provider: string | null;
  url: string;
  /** `dead`: it should run and does not. `left over`: its creation was cut off by a crash. */
  state: 'running' | 'stopped' | 'creating' | 'dead' | 'left over' | 'unknown';
  /** In words: pid, exit code, or why it is unknown. */
  detail: string;
  createdAt: string;
}

export interface Status {
  deployments: DeploymentStatus[];
  /** State files that cannot be used. */
  unreadable: Array<{ file: string; reason: string }>;
}

export async function readStatus(): Promise<Status> {
  const { states, broken } = readStates();
  return {
    deployments: await Promise.all(states.map(statusOf)),
    unreadable: broken.map(({ file, reason }) => ({ file, reason })),
  };
}

async function statusOf(state: DeploymentState): Promise<DeploymentStatus> {
  const { id, target, provider, url, createdAt } = state;
  const status = (now: DeploymentStatus['state'], detail: string): DeploymentStatus => ({
    id,
    target,
    provider,
    url,
    state: now,
    detail,
    createdAt,
  });
  if (isBeingCreated(state)) return status('creating', `by pid ${state.deployer?.pid}`);
  try {
    const { alive, detail } = await (await attachDeployment(state)).liveness();
    if (alive) return status('running', detail);
    if (state.phase === 'stopped') return status('stopped', detail);
    if (state.phase === 'running') return status('dead', detail);
    return status('left over', 'run `scratchpad down --all`');
  } catch (error) {
    return status('unknown', error instanceof Error ? error.message : String(error));
  }
}

/** Prints what each running deployment uses, once a second, until the signal fires. */
export async function watchStatus(options: {
  signal: AbortSignal;
  print: (text: string) => void;
  intervalMs?: number;
}): Promise<void> {
  const { signal, print, intervalMs = 1000 } = options;
  const { states } = readStates();
  const watched = await Promise.all(
    states
      .filter(({ phase }) => phase === 'running')
      .map(async (state) => {
        const meter = await (await attachDeployment(state)).meter();
        return { state, meter, last: await meter.read() };
      }),
  );
  if (watched.length === 0) print('nothing is running');
  try {
    while (watched.length > 0 && !signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      for (const entry of watched) {
        const now = await entry.meter.read();
        print(usageLine(entry.state, entry.last, now));
        entry.last = now;
      }
    }
  } finally {
    await Promise.all(watched.map(({ meter }) => meter.close()));
  }
}

function usageLine(state: DeploymentState, last: MeterReading, now: MeterReading): string {
  const cpuMs = difference(measuredValue(now.cpu.totalMs), measuredValue(last.cpu.totalMs));
  const elapsedMs = now.atMs - last.atMs;
  const cpu = cpuMs === undefined ? 'cpu ?' : `cpu ${((100 * cpuMs) / elapsedMs).toFixed(1)} %`;
  const bytes = measuredValue(now.memory.workingSetBytes);
  const memory = bytes === undefined ? 'memory ?' : `memory ${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return `${state.target.padEnd(8)} ${state.url}  ${cpu}  ${memory}`;
}

function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}
