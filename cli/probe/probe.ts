/** `probe`: N start-up trials of one target, each a fresh deployment, and their record. */
import { access, constants, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import type { ConsoleProgress } from '../progress.ts';
import { describeTarget } from '../record/describe.ts';
import { captureEnvironment } from '../record/environment.ts';
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import { type ProbeRecord, probeRecordSchema, type StartUp } from '../record/schema.ts';
import { newRecordId, reserve } from '../record/store.ts';
import { type Summary, summarize } from '../stats/summary.ts';
import type { DeploymentFlags } from '../targets/request.ts';
import { type Launched, launch } from './launch.ts';
import { measureShutdown, measureStartUp, phasesOf } from './start-up.ts';

export interface ProbeRequest {
  target: string;
  flags: DeploymentFlags;
  trials: number;
  mode: StartUp['mode'];
  /** Wait 30 s after each first valid reply and read the memory again. */
  settle: boolean;
  out: string | undefined;
  progress: ConsoleProgress;
  signal: AbortSignal;
}

export interface ProbeResult {
  record: ProbeRecord;
  file: string;
  text: string;
  /** Why there are fewer trials than were asked for; null where all were made. */
  failure: ScratchpadError | null;
}

/** @throws what launch throws, where not one trial could be finished */
export async function probeTarget(request: ProbeRequest): Promise<ProbeResult> {
  const { target, trials, mode, progress, signal } = request;
  if (mode === 'cold') await assertPageCacheCanBeDropped();
  const id = newRecordId();
  const startedAt = new Date().toISOString();
  const output = reserve(request.out ?? join(resultsFolder(), `probe-${target}-${id}.json`));
  const done: StartUp[] = [];
  let last: Launched | null = null;
  let failure: ScratchpadError | null = null;
  try {
    const host = await captureEnvironment();
    for (let i = 0; i < trials; i++) {
      progress.step(`${target}: start-up trial ${i + 1} of ${trials}`);
      const trial = await startUpTrial(request);
      last = trial.launched;
      done.push(trial.startUp);
    }
    return finish(host);
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    if (done.length === 0 || !isScratchpadError(reason)) {
      output.release();
      throw reason;
    }
    failure = reason;
    return finish(await captureEnvironment());
  }

  function finish(host: ProbeRecord['host']): ProbeResult {
    const record = probeRecordSchema.parse({
      schemaVersion: 1,
      kind: 'probe',
      id,
      startedAt,
      target: describeTarget(last!.deployment),
      artifact: last!.artifact,
      limits: last!.deployment.state.plan.options.limits,
      trials: done,
      summary: {
        firstValidReplyMs: summarize(done.map(({ firstHitMs }) => firstHitMs)),
        workingSetAtReadyBytes: summaryOf(
          done.map(({ memoryAtReady }) => memoryAtReady?.workingSetBytes),
        ),
        workingSetSettledBytes: summaryOf(
          done.map(({ memorySettled }) => memorySettled?.workingSetBytes),
        ),
        shutdownMs: summaryOf(done.map(({ shutdownMs }) => shutdownMs)),
      },
      interrupted: failure !== null,
      host,
      warnings: [...progress.warnings],
    });
    return { record, file: output.commit(record), text: formatProbe(record), failure };
  }
}

/** One deployment from its start call to its removal. */
async function startUpTrial({
  target,
  flags,
  mode,
  settle,
  progress,
  signal,
}: ProbeRequest): Promise<{ launched: Launched; startUp: StartUp }> {
  const launched = await launch({
    target,
    flags,
    port: null,
    mode,
    memory: mode !== 'restart',
    ...(mode === 'restart' ? {} : { settle }),
    beforeStart: mode === 'cold' ? dropPageCache : undefined,
    progress,
    signal,
  });
  const { deployment } = launched;
  try {
    let { startUp } = launched;
    if (mode === 'restart') {
      await deployment.stop(signal);
      await deployment.restart(signal);
      startUp = await measureStartUp(deployment, { mode, signal, memory: true, settle });
    }
    startUp.shutdownMs = await measureShutdown(deployment, signal);
    return { launched, startUp };
  } finally {
    await deployment.destroy();
  }
}

const DROP_CACHES = '/proc/sys/vm/drop_caches';

async function assertPageCacheCanBeDropped(): Promise<void> {
  try {
    await access(DROP_CACHES, constants.W_OK);
  } catch (cause) {
    throw new ScratchpadError('BAD_FLAG', '--mode cold needs to drop the page cache', {
      cause,
      hint: 'Run it as root on Linux, or use --mode warm.',
    });
  }
}

/** Clean page cache, dentries and inodes; dirty pages are written back first by `1\n`'s sync. */
async function dropPageCache(): Promise<void> {
  await writeFile(DROP_CACHES, '3\n');
}

function summaryOf(values: Array<Measured<number> | undefined>): Measured<Summary> {
  const numbers: number[] = [];
  for (const value of values) {
    if (value === undefined) return unavailable('not measured in every trial');
    if (isUnavailable(value)) return value;
    numbers.push(value as number);
  }
  return numbers.length === 0 ? unavailable('no trial') : summarize(numbers);
}

function formatProbe(record: ProbeRecord): string {
  const summary = record.summary.firstValidReplyMs;
  const lines: string[] = [];
  if (record.target.acceleration === 'tcg') {
    lines.push('emulated: no hardware acceleration; says nothing about VMs in general', '');
  }
  record.trials.forEach((trial, i) => {
    const miss = trial.lastMissMs === null ? '0' : trial.lastMissMs.toFixed(0);
    lines.push(
      `trial ${String(i + 1).padStart(2)}  first valid reply in [${miss}, ${trial.firstHitMs.toFixed(0)}] ms  ${phasesOf(trial)}`,
    );
  });
  if (!isUnavailable(summary)) {
    const s = summary as Summary;
    const spread = isUnavailable(s.stddev) ? '' : `, sd ${(s.stddev as number).toFixed(0)}`;
    lines.push(
      '',
      `${record.target.name}: first valid reply (ms): mean ${s.mean.toFixed(0)}, median ${s.median.toFixed(0)}, p95 ${s.p95.toFixed(0)}${spread}, min ${s.min.toFixed(0)}, max ${s.max.toFixed(0)}, n ${s.n}`,
    );
  }
  lines.push(...memoryLines(record.summary));
  if (record.interrupted) lines.push('cut short: the trials so far');
  return lines.join('\n');
}

/** One line for each moment at which the memory was read in every trial. */
function memoryLines(summary: ProbeRecord['summary']): string[] {
  const moments = [
    ['+ 1 s', 'workingSetAtReadyBytes'],
    ['+ 30 s', 'workingSetSettledBytes'],
  ] as const;
  return moments.flatMap(([moment, key]) => {
    const bytes = summary[key] as Measured<Summary>;
    if (isUnavailable(bytes)) return [];
    return `working set at ready ${moment}: median ${(bytes.median / 2 ** 20).toFixed(1)} MiB`;
  });
}
