/** What is deployed and whether it lives: for `status`. */
import { redrawer, renderWatch, type Watched, watchDeployments } from '../meters/watch.ts';
import { attachDeployment, isBeingCreated } from './deploy.ts';
import { readStates } from './state.ts';
import type { DeploymentState } from './target.ts';

export interface DeploymentStatus {
  id: string;
  target: string;
  provider: string | null;
  /** Of a VM; `tcg` is emulation. */
  acceleration: DeploymentState['plan']['acceleration'];
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

/** A VM's figures are never shown without saying where it was emulated. */
export function nameOf(target: string, acceleration: DeploymentStatus['acceleration']): string {
  return acceleration === 'tcg' ? `${target} (emulated)` : target;
}

async function statusOf(state: DeploymentState): Promise<DeploymentStatus> {
  const { id, target, provider, url, createdAt } = state;
  const status = (now: DeploymentStatus['state'], detail: string): DeploymentStatus => ({
    id,
    target,
    provider,
    acceleration: state.plan.acceleration,
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

/** Shows what each running deployment uses, once a second, until the signal fires. */
export async function watchStatus(options: {
  signal: AbortSignal;
  stream: {
    write(text: string): unknown;
    isTTY?: boolean | undefined;
    columns?: number | undefined;
  };
}): Promise<void> {
  const { signal, stream } = options;
  const watched: Watched[] = [];
  try {
    for (const state of readStates().states.filter(({ phase }) => phase === 'running')) {
      const { url } = state;
      const name = nameOf(state.target, state.plan.acceleration);
      try {
        watched.push({ name, url, meter: await (await attachDeployment(state)).meter() });
      } catch (error) {
        stream.write(`${name} ${url}: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
    if (watched.length === 0) {
      stream.write('nothing is running\n');
      return;
    }
    const print = (text: string) => void stream.write(text);
    const draw = stream.isTTY
      ? redrawer(print, () => stream.columns)
      : (text: string) => print(`${text}\n`);
    await watchDeployments({ watched, signal, show: (rows) => draw(renderWatch(rows)) });
  } finally {
    await Promise.all(watched.map(({ meter }) => meter.close()));
  }
}
