/**
 * State of deployments: one JSON file each in `stateFolder()`, written before anything is created,
 * so that another process (`down`, `status`, `load`) finds what exists, also after a crash.
 *
 *   <state>/deployments/<id>.json   the state
 *   <state>/deployments/<id>/       what belongs to it: log, database of a bare process, a VM's disk
 *   <state>/deployments/lock        held while a port is being reserved
 *
 * The folder `deployments` is ours alone, so that a SCRATCHPAD_STATE_DIR which holds other things
 * cannot make `down --all` remove a file that it does not know.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ScratchpadError } from '../errors.ts';
import { stateFolder } from '../host/paths.ts';
import { isAlive } from './process-identity.ts';
import { takeOverIfStale, tryLock, withLock } from './process-lock.ts';
import type { DeploymentPlan, DeploymentState, Prepared } from './target.ts';

const limitsSchema = z.looseObject({
  profile: z.enum(['equal', 'classic', 'custom']),
  cpus: z.number().positive(),
  memoryBytes: z.number().positive(),
});

const stateSchema = z.looseObject({
  schemaVersion: z.literal(1),
  id: z.string().regex(/^[a-z0-9-]+$/),
  target: z.string(),
  provider: z.string().nullable(),
  phase: z.enum(['creating', 'running', 'stopped', 'destroying']),
  createdAt: z.string(),
  url: z.string(),
  nonce: z.string(),
  plan: z.looseObject({
    target: z.string(),
    path: z.string(),
    warnings: z.array(z.string()),
    options: z.looseObject({
      id: z.string(),
      nonce: z.string(),
      host: z.string(),
      port: z.number().int(),
      limits: limitsSchema,
      runtime: z.string(),
    }),
  }),
  prepared: z
    .looseObject({
      artifactSha256: z.string(),
      runtimeSha256: z.string(),
      handles: z.record(z.string(), z.unknown()),
    })
    .nullable(),
  resources: z.record(z.string(), z.unknown()),
  module: z.string().optional(),
});

/** A state file that cannot be used, and why. */
export interface BrokenState {
  id: string;
  file: string;
  reason: string;
}

function folder(): string {
  return join(stateFolder(), 'deployments');
}

/** The folder of one deployment's own files; not made here. */
export function deploymentFolder(id: string): string {
  return join(folder(), id);
}

/**
 * Names this state folder on labels and in environment markers, so that `down --all` removes what
 * was deployed from here and never what another user or another checkout deployed.
 */
export function ownerTag(folder = stateFolder()): string {
  return createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 12);
}

function stateFile(id: string): string {
  return join(folder(), `${id}.json`);
}

/**
 * The state of a deployment of `plan` that is about to be made; nothing is written yet. What
 * `deployTarget` has reserved under this id it keeps: who deploys, and by which module. A target
 * that saves its state before each create would otherwise write over it, and after a crash nobody
 * could load a target from outside again.
 */
export function newState(
  plan: DeploymentPlan,
  prepared: Prepared | null,
  resources: Record<string, unknown> = {},
): DeploymentState {
  const { id, host, port, nonce } = plan.options;
  const reserved = readReserved(id);
  return {
    schemaVersion: 1,
    id,
    target: plan.target,
    provider: plan.provider,
    phase: 'creating',
    createdAt: reserved?.createdAt ?? new Date().toISOString(),
    url: `http://${host}:${port}/`,
    nonce,
    plan,
    prepared,
    resources,
    ...(reserved?.deployer === undefined ? {} : { deployer: reserved.deployer }),
    ...(reserved?.module === undefined ? {} : { module: reserved.module }),
  };
}

/** The state file of that id as it is now; undefined where there is none, or none that can be read. */
function readReserved(id: string): DeploymentState | undefined {
  try {
    return parseState(readFileSync(stateFile(id), 'utf8'), id);
  } catch {
    return undefined;
  }
}

/** Writes the state atomically: a crash leaves the old one or the new one, never a half. */
export function saveState(state: DeploymentState): void {
  const file = stateFile(state.id);
  const temporary = `${file}.${process.pid}.${randomBytes(3).toString('hex')}.tmp`;
  try {
    mkdirSync(folder(), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flush: true });
    renameSync(temporary, file);
  } catch (error) {
    discard(temporary);
    throw unwritable(error);
  }
}

/** Best effort, after another failure that tells more. */
function discard(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // e.g. ENOTDIR: it was never there
  }
}

/** Removes the state and the deployment's folder. Idempotent. */
export function removeState(id: string): void {
  rmSync(deploymentFolder(id), { recursive: true, force: true, maxRetries: 3 });
  rmSync(stateFile(id), { force: true });
}

/** All state files: the usable ones, oldest first, and the broken ones with the reason. */
export function readStates(): { states: DeploymentState[]; broken: BrokenState[] } {
  const states: DeploymentState[] = [];
  const broken: BrokenState[] = [];
  let names: string[];
  try {
    names = readdirSync(folder()).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { states, broken };
    throw unreadable(folder(), error);
  }
  for (const name of names.sort()) {
    const file = join(folder(), name);
    const id = name.slice(0, -'.json'.length);
    try {
      states.push(parseState(readFileSync(file, 'utf8'), id));
    } catch (error) {
      // removed by another process between the listing and the reading
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      broken.push({ id, file, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  states.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  return { states, broken };
}

/**
 * Every deployment, oldest first.
 * @throws STATE_UNREADABLE where a file is corrupt or foreign: `down --all` removes those.
 */
export function listDeployments(): DeploymentState[] {
  const { states, broken } = readStates();
  const [first] = broken;
  if (first) {
    throw new ScratchpadError('STATE_UNREADABLE', `${first.file}: ${first.reason}`, {
      hint: 'Run `scratchpad down --all`: it removes what it can find and this file with it.',
      details: { files: broken.map(({ file }) => file) },
    });
  }
  return states;
}

/** The newest deployment of a target, or undefined. */
export function findDeployment(targetName: string): DeploymentState | undefined {
  return listDeployments().findLast(({ target }) => target === targetName);
}

function parseState(text: string, id: string): DeploymentState {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('not JSON: cut off or not written by scratchpad');
  }
  const version = (json as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (version !== 1) throw new Error(`schemaVersion is ${JSON.stringify(version)}, not 1`);
  const result = stateSchema.safeParse(json);
  if (!result.success) {
    throw new Error(`not a deployment's state: ${z.prettifyError(result.error).split('\n')[0]}`);
  }
  if (result.data.id !== id) throw new Error(`holds the state of ${result.data.id}`);
  return json as DeploymentState;
}

const LOCK_TIMEOUT_MS = 10_000;

/**
 * Runs `body` while no other process of this state folder is in here. Short sections only: a
 * reservation, not a deployment. A lock whose holder has died is taken over.
 */
export async function withStateLock<T>(body: () => T | Promise<T>): Promise<T> {
  const lock = join(folder(), 'lock');
  const take = () => {
    try {
      mkdirSync(folder(), { recursive: true, mode: 0o700 });
      return tryLock(lock);
    } catch (error) {
      throw unwritable(error);
    }
  };
  return withLock(lock, { timeoutMs: LOCK_TIMEOUT_MS, everyMs: 10, take }, body);
}

/** Removes lock and temporary files of processes that were killed while they wrote a state. */
export function removeStaleFiles(): void {
  takeOverIfStale(join(folder(), 'lock'));
  let names: string[];
  try {
    names = readdirSync(folder());
  } catch {
    return; // nothing was ever deployed
  }
  for (const name of names) {
    const pid = /^(?:lock(?:\.stale)?|.+\.json)\.(\d+)\.[0-9a-f]{6}(?:\.tmp)?$/.exec(name)?.[1];
    if (pid === undefined || isAlive({ pid: Number(pid), startTicks: null })) continue;
    discard(join(folder(), name));
  }
}

function unwritable(error: unknown): ScratchpadError {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new ScratchpadError(
    full ? 'DISK_FULL' : 'OUTPUT_UNWRITABLE',
    `Cannot write the deployment's state in ${folder()}.`,
    { cause: error, hint: 'Free some space, or set SCRATCHPAD_STATE_DIR to a writable folder.' },
  );
}

function unreadable(path: string, error: unknown): ScratchpadError {
  return new ScratchpadError('STATE_UNREADABLE', `Cannot read ${path}.`, {
    cause: error,
    hint: 'Check the rights of this folder, or set SCRATCHPAD_STATE_DIR to another one.',
  });
}
