/**
 * From the workers' deltas to the measurement. Merging is addition of counts, nothing else: no
 * percentile is ever averaged. A window is summarised when every worker has passed it, and its
 * histogram dropped, so that memory does not depend on the rate.
 */
import { Histogram } from '../stats/histogram.ts';
import { toBase64 } from './histogram-export.ts';
import type { WindowDelta } from './recorder.ts';
import type { LatencySummary, LoadMeasurement } from './types.ts';

interface PendingWindow {
  answered: number;
  failed: number;
  response: Histogram;
}

export interface ClosedWindow {
  window: number;
  answered: number;
  failed: number;
  p50Us: number | null;
  p99Us: number | null;
  maxUs: number | null;
}

const PERCENTILES: Array<[name: 'p50' | 'p90' | 'p95' | 'p99' | 'p999', percent: number]> = [
  ['p50', 50],
  ['p90', 90],
  ['p95', 95],
  ['p99', 99],
  ['p999', 99.9],
];

/** All figures come from the histogram, so whoever decodes it gets the same ones. */
export function summarise(histogram: Histogram): LatencySummary {
  const at = Object.fromEntries(
    PERCENTILES.map(([name, percent]) => [name, histogram.percentile(percent)]),
  ) as Record<'p50' | 'p90' | 'p95' | 'p99' | 'p999', number>;
  const lowerBounds: string[] = PERCENTILES.filter(([, percent]) =>
    histogram.isLowerBound(percent),
  ).map(([name]) => name);
  if (lowerBounds.includes('p50')) lowerBounds.push('median');
  if (histogram.censored > 0) lowerBounds.push('mean');
  if (histogram.isLowerBound(100)) lowerBounds.push('max');
  return {
    count: histogram.count,
    mean: histogram.mean,
    median: at.p50,
    stddev: histogram.stddev,
    min: histogram.min,
    max: histogram.max,
    ...at,
    censored: histogram.censored,
    lowerBounds,
    histogram: toBase64(histogram),
  };
}

export class Aggregate {
  private readonly histograms = new Map<string, Histogram>();
  private readonly pending = new Map<number, PendingWindow>();
  private readonly passed: number[];
  private readonly onWindow: (window: ClosedWindow) => void;
  readonly windows: ClosedWindow[] = [];
  readonly errors: Record<string, number> = {};
  readonly statuses: Record<string, number> = {};
  private noWait = 0;
  bytesReceived = 0;
  bytesSent = 0;
  maxLagUs = 0;

  constructor(workers: number, onWindow: (window: ClosedWindow) => void) {
    this.passed = new Array(workers).fill(Number.NEGATIVE_INFINITY);
    this.onWindow = onWindow;
  }

  add(worker: number, delta: WindowDelta): void {
    let window = this.pending.get(delta.window);
    if (!window) {
      window = { answered: 0, failed: 0, response: new Histogram() };
      this.pending.set(delta.window, window);
    }
    // a warm-up second shows its own requests live, and is in no total
    const isWarm = delta.window < 0;
    window.answered += isWarm ? delta.warmAnswered : delta.answered;
    window.failed += isWarm ? delta.warmFailed : delta.failed;
    if (isWarm && delta.warm) window.response.addDelta(delta.warm);
    for (const [name, histogram] of delta.histograms) {
      this.get(name).addDelta(histogram);
      if (name.startsWith('answered:') || name.startsWith('failed:')) {
        window.response.addDelta(histogram);
      }
    }
    addCounts(this.errors, delta.errors);
    addCounts(this.statuses, delta.statuses);
    this.noWait += delta.noWait;
    this.bytesReceived += delta.bytesReceived;
    this.bytesSent += delta.bytesSent;
    this.maxLagUs = Math.max(this.maxLagUs, delta.maxLagUs);
    this.passed[worker] = delta.window;
    this.closeWindows(Math.min(...this.passed));
  }

  /** Close all windows; call when all workers are done. */
  finish(): void {
    this.closeWindows(Number.POSITIVE_INFINITY);
  }

  private closeWindows(upTo: number): void {
    const ready = [...this.pending.keys()].filter((at) => at <= upTo).sort((a, b) => a - b);
    for (const at of ready) {
      const { answered, failed, response } = this.pending.get(at)!;
      this.pending.delete(at);
      const isEmpty = response.count === 0;
      const closed: ClosedWindow = {
        window: at,
        answered,
        failed,
        p50Us: isEmpty ? null : response.percentile(50),
        p99Us: isEmpty ? null : response.percentile(99),
        maxUs: isEmpty ? null : response.max,
      };
      this.windows.push(closed);
      this.onWindow(closed);
    }
  }

  private get(name: string): Histogram {
    let histogram = this.histograms.get(name);
    if (!histogram) {
      histogram = new Histogram();
      this.histograms.set(name, histogram);
    }
    return histogram;
  }

  /** `planned`: for the closed loop, in which every request is sent when it is intended. */
  result(
    operations: readonly string[],
    {
      isClosedLoop,
      planned,
      measuredSeconds,
    }: { isClosedLoop: boolean; planned: number; measuredSeconds: number },
  ): Pick<LoadMeasurement, 'latencyUs' | 'connectionsUs' | 'operations' | 'windows'> & {
    histograms: { lag: Histogram; service: Histogram; wait: Histogram; answered: Histogram };
  } {
    const answered = new Histogram();
    const done = new Histogram();
    for (const name of operations) {
      answered.merge(this.get(`answered:${name}`));
      done.merge(this.get(`answered:${name}`)).merge(this.get(`failed:${name}`));
    }
    const whole = this.get('whole');
    const open = this.get('openResponse');
    const body = this.get('body').copy();
    if (whole.count > 0) body.record(0, whole.count);
    const wait = this.get('wait').copy();
    if (this.noWait > 0) wait.record(0, this.noWait);
    const lag = this.get('lag').copy();
    if (isClosedLoop && planned > 0) lag.record(0, planned);
    const service = this.get('service').copy().merge(whole);
    const fresh = this.get('fresh').copy().merge(this.get('openFresh'));
    return {
      latencyUs: {
        response: summarise(done.copy().merge(open).merge(this.get('unsent'))),
        service: summarise(service),
        lag: summarise(lag),
        connect: summarise(this.get('connect')),
        ttfb: summarise(this.get('ttfb').copy().merge(whole)),
        body: summarise(body),
        wait: summarise(wait),
        answered: summarise(answered),
      },
      connectionsUs: {
        fresh: summarise(fresh),
        reused: summarise(done.copy().merge(open).subtract(fresh)),
      },
      operations: Object.fromEntries(
        operations.map((name) => {
          const [ok, failed] = [this.get(`answered:${name}`), this.get(`failed:${name}`)];
          return [
            name,
            {
              answered: ok.count,
              failed: failed.count,
              response: summarise(ok),
              failedResponse: summarise(failed),
            },
          ];
        }),
      ),
      windows: this.measuredWindows(measuredSeconds),
      histograms: { lag, service, wait, answered },
    };
  }

  /** From second 0 on without gaps: a second in which nothing was done is a finding too. */
  private measuredWindows(measuredSeconds: number): LoadMeasurement['windows'] {
    const measured = this.windows.filter(({ window }) => window >= 0);
    // seconds of the drain count only up to the last in which something was done
    const last =
      measured.findLast(
        ({ window, answered, failed }) => window < measuredSeconds || answered + failed > 0,
      )?.window ?? -1;
    const byWindow = new Map(measured.map((window) => [window.window, window]));
    return Array.from({ length: last + 1 }, (_, at) => {
      const { answered, failed, p50Us, p99Us, maxUs } = byWindow.get(at) ?? {
        answered: 0,
        failed: 0,
        p50Us: null,
        p99Us: null,
        maxUs: null,
      };
      return { atMs: at * 1000, answered, failed, p50Us, p99Us, maxUs };
    });
  }
}

function addCounts(total: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) total[name] = (total[name] ?? 0) + count;
}
