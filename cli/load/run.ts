/**
 * Run a load: start the workers, give them one t0, collect what they hand over, judge it. The
 * engine runs in worker threads, so that the caller's thread can meter and draw without delaying a
 * request.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { ScratchpadError } from '../errors.ts';
import { type CpuTicks, readCpuTicks } from '../host/cpu-ticks.ts';
import { TICK_MS } from '../meters/procfs.ts';
import { Aggregate, type ClosedWindow } from './aggregate.ts';
import { nowUs } from './clock.ts';
import { basePathOf, resolveEndpoint } from './endpoint.ts';
import { moduleLifecycle } from './modules/lifecycle.ts';
import { placeThreads } from './placement.ts';
import { countBefore, planDigest, shareOf, stagesOf } from './plan.ts';
import { countsPosts, INDEX_SCENARIO } from './scenario.ts';
import { countsOf, sumTotals } from './totals.ts';
import type { LoadMeasurement, LoadOptions, LoadTick } from './types.ts';
import { verdict } from './verdict.ts';
import { warningsOf } from './warnings.ts';
import type { FromWorker, ToWorker } from './worker.ts';
import { endWorker, startWorker } from './worker-thread.ts';

export interface LoadHooks {
  /** Aborted: the run ends at once with what it has, marked interrupted. */
  signal: AbortSignal;
  /** Called about once a second, warm-up included. */
  onTick?: (tick: LoadTick) => void;
  /** At the edges of the measured time; a returned promise is awaited before the run returns. */
  onEdge?: (edge: 'measure-start' | 'measure-end') => void | Promise<void>;
  /** CPU (or one per worker) that the workers are pinned to; null: not pinned. */
  generatorCpu?: number | readonly number[] | null;
}

/** Time between "all workers are ready" and t0, so that all of them are waiting when it comes. */
const LEAD_MS = 200;

/**
 * Drive the load of `options` and measure it. Resolves also when every request failed or the signal
 * was aborted: the measurement says so. Throws ScratchpadError BAD_FLAG for options that make no
 * plan, TARGET_UNREACHABLE where the URL's name does not resolve, BUG where a worker dies.
 */
export async function runLoad(options: LoadOptions, hooks: LoadHooks): Promise<LoadMeasurement> {
  check(options);
  const scenario = options.scenario ?? INDEX_SCENARIO;
  // The index scenario asks for the URL itself, whatever its path; one of a user's may be named so too.
  const isIndex = scenario === INDEX_SCENARIO;
  const plan = { ...options, scenario };
  const { endpoint, url } = await resolveEndpoint(options);
  const isOpenLoop = options.loop === 'open';
  const workers = Math.min(options.workers, options.connections);
  const warnings: string[] = [];
  const operations = operationsFor(scenario, isIndex ? url : null);

  let startUs = 0;
  const aggregate = new Aggregate(workers, (window) => {
    hooks.onTick?.(tickOf(window, options, startUs));
  });
  const running = Array.from({ length: workers }, (_, worker) =>
    startWorker(
      {
        plan: { ...plan, scenario: { ...scenario, operations } },
        endpoint,
        url: url.href,
        basePath: isIndex ? '' : basePathOf(url),
        headers: options.headers,
        worker,
        workers,
        connections: shareOf(options.connections, worker, workers),
      },
      (delta) => aggregate.add(worker, delta),
    ),
  );
  const module = scenario.module && moduleLifecycle(running, scenario.module.file, hooks.signal);
  const edges: Array<Promise<void>> = [];
  const edgeTimers: NodeJS.Timeout[] = [];
  try {
    const threads = await (module?.setUp() ?? Promise.all(running.map(({ ready }) => ready)));
    const placement = await placeThreads(threads, hooks.generatorCpu ?? null, plan);
    warnings.push(...placement.warnings);
    const hostAtStart = readCpuTicks();
    const cpuAtStart = process.cpuUsage();
    startUs = nowUs() + LEAD_MS * 1000;
    const startedAt = new Date(Date.now() + LEAD_MS).toISOString();
    const tell = (message: ToWorker) => {
      for (const { send } of running) send(message);
    };
    tell({ type: 'go', startUs });
    const onAbort = () => tell({ type: 'stop' });
    if (hooks.signal.aborted) onAbort();
    hooks.signal.addEventListener('abort', onAbort, { once: true });
    const edge = (name: 'measure-start' | 'measure-end', afterMs: number) => {
      const call = () => {
        if (!hooks.signal.aborted) edges.push(Promise.resolve(hooks.onEdge?.(name)));
      };
      edgeTimers.push(setTimeout(call, LEAD_MS + afterMs));
    };
    edge('measure-start', options.warmupMs);
    edge('measure-end', options.warmupMs + options.durationMs);
    const longestMs = options.warmupMs + options.durationMs + options.drainMs;
    const results = await (module?.run(longestMs) ?? Promise.all(running.map(({ done }) => done)));
    hooks.signal.removeEventListener('abort', onAbort);
    aggregate.finish();
    await Promise.all(edges);

    const interrupted = hooks.signal.aborted;
    const totals = sumTotals(results.map((result) => result.totals));
    const measuredMs = interrupted
      ? Math.max(0, Math.min(options.durationMs, totals.elapsedUs / 1000 - options.warmupMs))
      : options.durationMs;
    const counts = countsOf(totals);
    const { histograms, ...figures } = aggregate.result(
      operations.map(({ name }) => name),
      {
        isClosedLoop: !isOpenLoop,
        planned: counts.planned,
        measuredSeconds: Math.ceil(options.durationMs / 1000),
      },
    );
    const busiest = busiestOf(results);
    const cpuMs = results.reduce((sum, { cpuMs: ms }) => sum + ms, 0);
    const worst = (of: (result: Done) => number) => Math.max(...results.map(of));
    const waitedForCpuMs = worst((result) => result.waitedForCpuMs);
    const longestStopMs = worst((result) => result.longestStopMs);
    const host = hostShares(hostAtStart, readCpuTicks(), totals.spinUs / 1000);
    const processCpu = process.cpuUsage(cpuAtStart);
    const judged = verdict({
      loop: options.loop,
      durationMs: options.durationMs,
      connections: options.connections,
      counts,
      takenInTime: totals.takenInTime,
      answeredInTime: totals.answeredInTime,
      queued: totals.queued,
      ...histograms,
      loopUtilization: busiest.loop,
      cpuUtilization: busiest.cpu,
      waitedForCpuMs,
      ...starvedShares(results, placement.cpus ?? []),
      longestStopMs,
      takesTurns: (hooks.generatorCpu ?? null) === null && availableParallelism() === 1,
      runsModule: module !== undefined,
      errors: aggregate.errors,
      hostSteal: host.steal,
      hostBusy: host.busy,
      interrupted,
    });
    const perSecond = (amount: number) => (measuredMs === 0 ? 0 : amount / (measuredMs / 1000));
    const measurement: LoadMeasurement = {
      startedAt,
      plan: {
        loop: options.loop,
        ratePerSecond: isOpenLoop ? options.ratePerSecond : null,
        arrival: options.arrival,
        connections: options.connections,
        durationMs: options.durationMs,
        warmupMs: options.warmupMs,
        drainMs: options.drainMs,
        timeoutMs: options.timeoutMs,
        seed: options.seed,
        scenario: scenario.name,
        ...(options.stages ? { stages: options.stages } : {}),
        sha256: planDigest(plan, (text) => createHash('sha256').update(text).digest('hex')),
      },
      counts,
      requestsPerSecond: perSecond(totals.answeredInTime),
      bytesPerSecond: perSecond(totals.bytesInTime),
      bytes: {
        received: aggregate.bytesReceived,
        sent: aggregate.bytesSent,
        posts: countsPosts(scenario) ? totals.postBytes : null,
      },
      ...figures,
      errors: aggregate.errors,
      statuses: aggregate.statuses,
      generator: {
        cpuMs: Number.isNaN(cpuMs) ? (processCpu.user + processCpu.system) / 1000 : cpuMs,
        workers,
        ...(placement.cpus === undefined ? {} : { cpus: placement.cpus }),
        maxLagUs: Math.round(aggregate.maxLagUs),
        eventLoopUtilization: Math.max(...results.map(({ utilization }) => utilization)),
        spinMs: totals.spinUs / 1000,
        ...(Number.isNaN(waitedForCpuMs) ? {} : { waitedForCpuMs }),
        ...(Number.isNaN(longestStopMs) ? {} : { longestStopMs }),
        realTime: placement.realTime,
        peakRssBytes: process.resourceUsage().maxRSS * 1024,
        clientLimited: judged.clientLimited,
        reasons: judged.reasons,
      },
      limiter: judged.limiter,
      integrity: totals.integrity,
      interrupted,
      warnings,
    };
    warnings.push(...warningsOf(measurement, totals));
    for (const { notes } of results) warnings.push(...(notes ?? []));
    const teardownError = await module?.tearDown();
    if (teardownError) {
      measurement.teardownError = teardownError;
      warnings.push(`the teardown of ${scenario.name} failed: ${teardownError}`);
    }
    return measurement;
  } finally {
    for (const timer of edgeTimers) clearTimeout(timer);
    await module?.tearDown();
    await Promise.all(running.map(endWorker));
  }
}

function check(options: LoadOptions): void {
  const positive: Array<[string, number]> = [
    ['duration', options.durationMs],
    ['timeout', options.timeoutMs],
    ['connections', options.connections],
    ['workers', options.workers],
  ];
  if (options.loop === 'open' && !options.stages?.length) {
    positive.push(['rate', options.ratePerSecond ?? 0]);
  }
  for (const [name, value] of positive) {
    if (!(value > 0 && Number.isFinite(value))) {
      throw new ScratchpadError('BAD_FLAG', `The load's ${name} must be above 0, not ${value}`);
    }
  }
  for (const name of ['connections', 'workers'] as const) {
    if (!Number.isInteger(options[name])) {
      throw new ScratchpadError('BAD_FLAG', `The load's ${name} must be a whole number`);
    }
  }
  for (const name of ['warmupMs', 'drainMs'] as const) {
    if (!(options[name] >= 0 && Number.isFinite(options[name]))) {
      throw new ScratchpadError('BAD_FLAG', `The load's ${name} must not be negative`);
    }
  }
  if (options.warmupMs + options.durationMs + options.drainMs >= 2 ** 31) {
    throw new ScratchpadError('BAD_FLAG', 'The load would take longer than 24 days');
  }
}

/** Without a scenario the URL itself is asked for; with one its paths are. */
function operationsFor(scenario: typeof INDEX_SCENARIO, url: URL | null) {
  if (url === null) return scenario.operations;
  return scenario.operations.map((operation) => ({
    ...operation,
    path: `${url.pathname}${url.search}`,
  }));
}

type Done = Extract<FromWorker, { type: 'done' }>;

/** How busy the busiest worker was with work: the spinning wait for a due time is not work. */
function busiestOf(results: Done[]): {
  loop: number;
  cpu: number;
} {
  let loop = 0;
  let cpu = Number.NaN;
  for (const { totals, cpuMs, utilization } of results) {
    const elapsedMs = totals.elapsedUs / 1000;
    if (elapsedMs <= 0) continue;
    const spinMs = totals.spinUs / 1000;
    loop = Math.max(loop, utilization - spinMs / elapsedMs);
    const busy = (cpuMs - spinMs) / elapsedMs;
    cpu = Number.isNaN(cpu) ? busy : Math.max(cpu, busy);
  }
  return { loop, cpu };
}

/** Of the worst off worker. What a worker of the same CPU used meanwhile was the generator's own work. */
function starvedShares(
  results: Done[],
  cpus: readonly number[],
): { waitedShare: number; stoodStillShare: number } {
  const shares = results.map(({ waitedForCpuMs, stoodStillMs, elapsedMs }, worker) => {
    const beside = results.reduce(
      (sum, { cpuMs }, other) =>
        other !== worker && cpus[worker] !== undefined && cpus[other] === cpus[worker]
          ? sum + cpuMs
          : sum,
      0,
    );
    const share = (ms: number) => Math.max(0, ms - beside) / elapsedMs;
    return { waited: share(waitedForCpuMs), stood: share(stoodStillMs) };
  });
  return {
    waitedShare: Math.max(...shares.map(({ waited }) => waited)),
    stoodStillShare: Math.max(...shares.map(({ stood }) => stood)),
  };
}

function tickOf(window: ClosedWindow, options: LoadOptions, startUs: number): LoadTick {
  const { warmupMs, durationMs } = options;
  const atMs = window.window * 1000;
  const fromUs = (warmupMs + atMs) * 1000;
  const stages = stagesOf(options);
  return {
    atMs,
    elapsedMs: Math.round((nowUs() - startUs) / 1000),
    phase: atMs < 0 ? 'warmup' : atMs < durationMs ? 'measure' : 'drain',
    plannedPerSecond:
      options.loop === 'open'
        ? countBefore(stages, fromUs + 1e6) - countBefore(stages, Math.max(0, fromUs))
        : null,
    answered: window.answered,
    failed: window.failed,
    p50Us: window.p50Us,
    p99Us: window.p99Us,
  };
}

/** Of the host's CPU time, what was stolen and what was used, waiting spins excluded; NaN: unknown. */
function hostShares(
  before: CpuTicks | null,
  after: CpuTicks | null,
  spinMs: number,
): { steal: number; busy: number } {
  if (!before || !after || after.all === before.all) return { steal: Number.NaN, busy: Number.NaN };
  const all = after.all - before.all;
  const used = all - (after.idle - before.idle) - spinMs / TICK_MS;
  return { steal: (after.stolen - before.stolen) / all, busy: Math.max(0, used / all) };
}
