/**
 * What the engine of HTTP requests and the one of benchmark modules share: the instants of the plan,
 * taking up what is due, the windows of a second, and how issuing begins and ends. What an issued
 * request is, and how it is recorded and censored, is the engine's own.
 */
import { nowUs } from './clock.ts';
import { Pacer } from './pacer.ts';
import type { PlanInput } from './plan.ts';
import { PlanQueue } from './queue.ts';
import { Recorder, type WindowDelta } from './recorder.ts';
import { recordUnsent } from './stamps.ts';
import { type EngineTotals, newTotals } from './totals.ts';

export interface PlanRunOptions {
  plan: PlanInput & { drainMs: number; timeoutMs: number };
  worker: number;
  workers: number;
  /** This worker's share of the connection cap or of the virtual users. */
  connections: number;
  onDelta: (delta: WindowDelta) => void;
}

export abstract class PlanRun<Options extends PlanRunOptions> {
  /** Resolves when the run and all that belongs to its end are over. */
  readonly done: Promise<EngineTotals>;

  protected readonly options: Options;
  protected readonly startUs: number;
  protected readonly measureUs: number;
  protected readonly endUs: number;
  protected readonly timeoutUs: number;
  protected readonly isOpenLoop: boolean;
  protected readonly recorder: Recorder;
  protected readonly totals = newTotals();
  /** Open loop only. */
  protected readonly queue: PlanQueue;
  protected readonly pacer: Pacer;
  /** Closed loop: the next request's index. */
  private nextIndex: number;

  protected issuing = true;
  protected finished = false;
  protected interruptedAtUs: number | null = null;
  protected timers: NodeJS.Timeout[] = [];
  private rollTimer: NodeJS.Timeout | undefined;
  protected onFinished!: (totals: EngineTotals) => void;

  /** `startUs`: t0 of the plan on the shared clock, the same for all workers. */
  constructor(options: Options, operations: string[], startUs: number) {
    const { plan, worker, workers } = options;
    this.options = options;
    this.startUs = startUs;
    this.measureUs = startUs + plan.warmupMs * 1000;
    this.endUs = this.measureUs + plan.durationMs * 1000;
    this.timeoutUs = plan.timeoutMs * 1000;
    this.isOpenLoop = plan.loop === 'open';
    this.recorder = new Recorder(operations, startUs, this.measureUs, options.onDelta);
    this.queue = new PlanQueue(plan, worker, workers, startUs);
    this.pacer = new Pacer(
      nowUs,
      (now) => this.takeUpDue(now),
      () => this.finishIfDone(),
    );
    this.nextIndex = worker;
    this.done = new Promise((resolve) => {
      this.onFinished = resolve;
    });
  }

  start(): void {
    this.at(this.endUs, () => {
      this.issuing = false;
      this.finishIfDone();
    });
    this.at(this.endUs + this.options.plan.drainMs * 1000, () => this.finish());
    this.rollAtWindowEnd();
    if (this.isOpenLoop) this.pacer.start();
    else this.at(this.startUs, () => this.startUsers());
  }

  /** Stop at once: nothing more is issued, what is open is censored. */
  interrupt(): void {
    if (this.finished) return;
    this.interruptedAtUs = nowUs();
    this.finish();
  }

  /** Closed loop, at t0. */
  protected abstract startUsers(): void;
  /** Issue the oldest request of the queue where there is a place for it; false: none is free. */
  protected abstract issueQueued(now: number): boolean;
  protected abstract hasOpen(): boolean;
  /** Record what is open as "at least until now", and let it go. */
  protected abstract censorOpen(now: number): void;
  /** All is recorded: what is left to do, and then `onFinished`. */
  protected abstract conclude(): void;

  /** Closed loop: the index of a user's next request. */
  protected takeIndex(): number {
    const index = this.nextIndex;
    this.nextIndex += this.options.workers;
    return index;
  }

  protected finishIfDone(): void {
    if (this.finished || this.issuing || this.hasOpen()) return;
    if (this.isOpenLoop && (this.queue.length > 0 || Number.isFinite(this.queue.dueUs))) return;
    this.finish();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.issuing = false;
    const now = nowUs();
    for (const timer of this.timers) clearTimeout(timer);
    clearTimeout(this.rollTimer);
    this.pacer.stop();
    this.recorder.rollTo(now);
    this.censorOpen(now);
    this.censorUnsent(now);
    this.recorder.flush();
    const { totals } = this;
    totals.spinUs = this.pacer.spinUs;
    totals.planned = totals.sent + totals.unsent;
    totals.elapsedUs = now - this.startUs;
    this.conclude();
  }

  private censorUnsent(now: number): void {
    if (!this.isOpenLoop) return;
    const untilUs = this.interruptedAtUs ?? Number.POSITIVE_INFINITY;
    for (const request of this.queue.unsent(untilUs)) {
      if (request.intendedUs >= this.measureUs) {
        recordUnsent(this.recorder, this.totals, request, now);
      }
    }
  }

  private at(timeUs: number, action: () => void): void {
    const waitMs = Math.max(0, Math.ceil((timeUs - nowUs()) / 1000));
    this.timers.push(setTimeout(action, waitMs));
  }

  private rollAtWindowEnd(): void {
    // 2 ms late, so that an idle second is handed over by this timer and a busy one by its requests
    const waitMs = Math.max(1, Math.ceil((this.recorder.windowEndUs - nowUs()) / 1000) + 2);
    this.rollTimer = setTimeout(() => {
      this.recorder.rollTo(nowUs());
      this.rollAtWindowEnd();
    }, waitMs);
  }

  /** Take up all that is due; returns when the next is. */
  private takeUpDue(start: number): number {
    const { recorder, totals, queue } = this;
    let now = start;
    for (; queue.dueUs <= now; now = nowUs()) {
      const { dueUs } = queue;
      this.pacer.noteWork();
      recorder.rollTo(now);
      if (dueUs >= this.measureUs) {
        const lagUs = now - dueUs;
        recorder.lag.record(lagUs);
        if (lagUs > recorder.maxLagUs) recorder.maxLagUs = lagUs;
        if (now <= this.endUs) totals.takenInTime++;
      }
      queue.takeUp(now);
      if (!this.issueQueued(now)) totals.queued++;
    }
    return queue.dueUs;
  }
}
