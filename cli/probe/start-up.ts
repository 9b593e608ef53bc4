/**
 * One start-up trial: a deployment whose start call has just been made is watched until its first
 * valid reply. Build, pull and provisioning lie before t0 and are kept apart as `prepareMs`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Measured, unavailable } from '../record/measured.ts';
import type { StartUp } from '../record/schema.ts';
import type { Deployment } from '../targets/target.ts';
import { type Readiness, waitForFirstValidReply } from './readiness.ts';

/** Emulated machines boot slowly; everything else that needs this long is broken. */
export const READY_DEADLINE_MS = { vm: 300_000, default: 60_000 };

/** An emulated machine's first reply, not yet compiled, takes up to a second. */
const EMULATED = { pollTimeoutMs: 5_000, maxOpenPolls: 2 };

export function readyDeadlineMs(deployment: Deployment): number {
  return deployment.state.target === 'vm' ? READY_DEADLINE_MS.vm : READY_DEADLINE_MS.default;
}

export interface StartUpOptions {
  mode: StartUp['mode'];
  signal: AbortSignal;
  /** Read the memory one second after the first valid reply: METHOD, "at ready + 1 s". */
  memory: boolean;
  /**
   * Read it once more, 30 s after the first valid reply, when caches and heap have come to rest; false:
   * the record says why there is none. Absent: someone else reads it, as a bench does.
   */
  settle?: boolean | undefined;
  /** When the memory is read, after the first valid reply; for tests. */
  moments?: typeof MEMORY_MOMENTS;
}

/** METHOD, "at ready + 1 s, + 30 s". */
export const MEMORY_MOMENTS = { readyMs: 1_000, settledMs: 30_000 };
const NOT_SETTLED = 'not waited for; `probe --settle` does';

/** @throws what waitForFirstValidReply throws; the caller destroys the deployment */
export async function measureStartUp(
  deployment: Deployment,
  { mode, signal, memory, settle, moments = MEMORY_MOMENTS }: StartUpOptions,
): Promise<StartUp> {
  const t0Ns = deployment.startedAtNs;
  if (t0Ns === null) throw new Error('measureStartUp: this process did not start the deployment');
  const startCall = returned(deployment.startCall, signal);
  if (deployment.pollsAfterStartCall === true) await startCall;
  const readiness = await firstReplyOf(deployment, { t0Ns, signal, startCall });
  const readyAt = performance.now();
  const memoryAfter = async (afterMs: number) => {
    await sleep(Math.max(0, readyAt + afterMs - performance.now()), undefined, { signal }).catch(
      () => {
        throw signal.reason;
      },
    );
    return readMemory(deployment);
  };
  const memoryAtReady = memory ? await memoryAfter(moments.readyMs) : undefined;
  // `vagrant up` goes on after the first reply, until SSH answers
  await startCall;
  const startUp: StartUp = {
    mode,
    ...readiness,
    phases: (await deployment.phases()).map((phase) => ({ ...phase })),
    prepareMs: deployment.state.prepared?.durationMs,
    ...(memoryAtReady === undefined ? {} : { memoryAtReady }),
  };
  if (settle === true) startUp.memorySettled = await memoryAfter(moments.settledMs);
  if (settle === false) startUp.memorySettled = { workingSetBytes: unavailable(NOT_SETTLED) };
  return startUp;
}

/** The first valid reply; a start call that fails meanwhile ends the wait with its reason. */
async function firstReplyOf(
  deployment: Deployment,
  { t0Ns, signal, startCall }: { t0Ns: bigint; signal: AbortSignal; startCall: Promise<void> },
): Promise<Readiness> {
  const over = new AbortController();
  const failed = new Promise<never>((_, reject) => void startCall.catch(reject));
  const reply = waitForFirstValidReply({
    url: deployment.url,
    nonce: deployment.state.nonce,
    t0Ns,
    deadlineMs: readyDeadlineMs(deployment),
    signal: AbortSignal.any([signal, over.signal]),
    liveness: () => deployment.liveness(),
    ...(deployment.state.plan.acceleration === 'tcg' ? EMULATED : {}),
  });
  return Promise.race([reply, failed]).finally(() => over.abort());
}

/** Resolves when the start call has returned, where it outlasts `start()`. */
async function returned(startCall: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  if (startCall === undefined) return;
  const interrupted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  await Promise.race([startCall, interrupted]);
}

async function readMemory(deployment: Deployment): Promise<NonNullable<StartUp['memoryAtReady']>> {
  try {
    const meter = await deployment.meter();
    try {
      const { memory, sources } = await meter.read({ expensive: true });
      return { ...memory, source: sources['memory'] };
    } finally {
      await meter.close();
    }
  } catch (error) {
    return { workingSetBytes: unavailable(error instanceof Error ? error.message : String(error)) };
  }
}

/** Ordered stop, timed; a target that cannot be stopped in order says so. */
export async function measureShutdown(
  deployment: Deployment,
  signal: AbortSignal,
): Promise<Measured<number>> {
  try {
    const { durationMs } = await deployment.stop(signal);
    return durationMs;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return unavailable(error instanceof Error ? error.message : String(error));
  }
}

/** The phases in ms, in words, e.g. "VMM start 310, kernel 2601"; '' where none are known. */
export function phasesOf({ phases }: Pick<StartUp, 'phases'>): string {
  return phases
    .map(({ name, startMs, endMs }) => `${name} ${(endMs - startMs).toFixed(0)}`)
    .join(', ');
}
