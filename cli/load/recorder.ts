/**
 * What one worker records: histograms and counters of the current second, handed over as a delta
 * and started afresh. The sum of the deltas *is* the result, so windows add up to the total by
 * construction.
 *
 * The common case costs two histogram updates: a response that came in one piece has
 * ttfb = service and body = 0, and a request sent on an idle connection has wait = 0, so those are
 * kept in one shared histogram or as plain counts, and put together by `aggregate.ts`.
 */
import { Histogram, type HistogramDelta } from '../stats/histogram.ts';

/** Histogram names in a delta, beside `answered:<operation>` and `failed:<operation>`. */
export type SharedName =
  | 'lag'
  | 'wait'
  | 'connect'
  /** service of answers that came in one piece: ttfb is the same, body is 0 */
  | 'whole'
  /** service, ttfb and body of the others */
  | 'service'
  | 'ttfb'
  | 'body'
  /** response on a fresh connection (also in answered: / failed:) */
  | 'fresh'
  /** censored at the end: never sent; sent and unanswered; of these, those on fresh connections */
  | 'unsent'
  | 'openResponse'
  | 'openFresh';

export interface WindowDelta {
  /** Second of the measured time in which these were done; −1 and below: warm-up. */
  window: number;
  histograms: Array<[name: string, delta: HistogramDelta]>;
  /** Response of warm-up requests, for the live view only. */
  warm: HistogramDelta | null;
  answered: number;
  failed: number;
  warmAnswered: number;
  warmFailed: number;
  /** Requests with wait = 0. */
  noWait: number;
  errors: Record<string, number>;
  statuses: Record<string, number>;
  bytesReceived: number;
  bytesSent: number;
  maxLagUs: number;
}

export class Recorder {
  private readonly operations: readonly string[];
  private readonly answeredBy: Histogram[];
  private readonly failedBy: Array<Histogram | null>;
  private readonly shared = new Map<SharedName, Histogram>();
  readonly whole: Histogram;
  readonly lag: Histogram;
  private readonly warm = new Histogram();
  private readonly onDelta: (delta: WindowDelta) => void;
  private readonly startUs: number;
  private window: number;
  /** When the current window ends; a value done later belongs to a later window. */
  windowEndUs: number;

  private answeredCount = 0;
  private failedCount = 0;
  private warmAnswered = 0;
  private warmFailed = 0;
  noWait = 0;
  private errors: Record<string, number> = {};
  private statuses = new Uint32Array(1000);
  private statusSeen = false;
  bytesReceived = 0;
  bytesSent = 0;
  maxLagUs = 0;

  /** `measureStartUs`: where window 0 begins; `startUs` ≤ it: where warm-up does. */
  constructor(
    operations: readonly string[],
    startUs: number,
    measureStartUs: number,
    onDelta: (delta: WindowDelta) => void,
  ) {
    this.operations = operations;
    this.answeredBy = operations.map(() => new Histogram());
    this.failedBy = operations.map(() => null);
    this.whole = this.get('whole');
    this.lag = this.get('lag');
    this.onDelta = onDelta;
    this.startUs = measureStartUs;
    this.window = Math.floor((startUs - measureStartUs) / 1e6);
    this.windowEndUs = measureStartUs + (this.window + 1) * 1e6;
  }

  get(name: SharedName): Histogram {
    let histogram = this.shared.get(name);
    if (!histogram) {
      histogram = new Histogram();
      this.shared.set(name, histogram);
    }
    return histogram;
  }

  /** Hand over all windows that ended before `now`. Called before anything done at `now` counts. */
  rollTo(now: number): void {
    if (now < this.windowEndUs) return;
    this.flush();
    this.window = Math.floor((now - this.startUs) / 1e6);
    this.windowEndUs = this.startUs + (this.window + 1) * 1e6;
  }

  answered(operation: number, responseUs: number, status: number): void {
    this.answeredCount++;
    this.answeredBy[operation]!.record(responseUs);
    if (status === 0) return; // a run of a module has none
    this.statuses[status]!++;
    this.statusSeen = true;
  }

  failed(operation: number, responseUs: number, error: string, status: number): void {
    this.failedCount++;
    let histogram = this.failedBy[operation];
    if (!histogram) {
      histogram = new Histogram();
      this.failedBy[operation] = histogram;
    }
    histogram.record(responseUs);
    this.errors[error] = (this.errors[error] ?? 0) + 1;
    if (status > 0) {
      this.statuses[status]!++;
      this.statusSeen = true;
    }
  }

  warmDone(responseUs: number, isAnswered: boolean): void {
    if (isAnswered) this.warmAnswered++;
    else this.warmFailed++;
    this.warm.record(responseUs);
  }

  /** Hand over what there is. */
  flush(): void {
    const histograms: WindowDelta['histograms'] = [];
    const take = (name: string, histogram: Histogram | null | undefined) => {
      if (!histogram || histogram.count === 0) return;
      histograms.push([name, histogram.toDelta()]);
      histogram.reset();
    };
    for (let i = 0; i < this.operations.length; i++) {
      take(`answered:${this.operations[i]}`, this.answeredBy[i]);
      take(`failed:${this.operations[i]}`, this.failedBy[i]);
    }
    for (const [name, histogram] of this.shared) take(name, histogram);
    const warm = this.warm.count > 0 ? this.warm.toDelta() : null;
    this.warm.reset();
    const statuses: Record<string, number> = {};
    if (this.statusSeen) {
      this.statuses.forEach((count, status) => {
        if (count > 0) statuses[status] = count;
      });
      this.statuses.fill(0);
      this.statusSeen = false;
    }
    this.onDelta({
      window: this.window,
      histograms,
      warm,
      answered: this.answeredCount,
      failed: this.failedCount,
      warmAnswered: this.warmAnswered,
      warmFailed: this.warmFailed,
      noWait: this.noWait,
      errors: this.errors,
      statuses,
      bytesReceived: this.bytesReceived,
      bytesSent: this.bytesSent,
      maxLagUs: this.maxLagUs,
    });
    this.answeredCount = this.failedCount = this.warmAnswered = this.warmFailed = 0;
    this.noWait = this.bytesReceived = this.bytesSent = this.maxLagUs = 0;
    this.errors = {};
  }
}
