/**
 * The engine of a benchmark module in one worker: the plan, queue, pacer and recorder of the HTTP
 * engine, with calls of `run` in the place of requests. The cycle of a run:
 *
 *   intended ─lag→ taken up ─wait→ called ─service→ settled
 *
 * A run comes in one piece: its ttfb is its service, its body 0.
 */
import { nowUs } from '../clock.ts';
import { type Deadline, Deadlines } from '../deadlines.ts';
import { operationPicker } from '../plan.ts';
import { PlanRun, type PlanRunOptions } from '../plan-run.ts';
import { hash, Random } from '../random.ts';
import type { Benchmark, RunContext, RunResult } from './benchmark.ts';
import { Failures } from './failures.ts';

/** Runs that block the thread must let its timers and messages have their turn. */
const YIELD_AFTER_US = 2000;
/** Runs that were aborted at the end get this long to settle before the teardown. */
const SETTLE_MS = 2000;

export interface ModuleEngineOptions extends PlanRunOptions {
  benchmark: Benchmark;
  operations: string[];
  url: string;
  state: unknown;
}

/** One of the concurrent runs. A new one takes its place where a run does not end in time. */
class Slot implements Deadline {
  deadlineUs = 0;
  previous: Deadline | null = null;
  next: Deadline | null = null;
  isMeasured = false;
  intendedUs = 0;
  takenUs = 0;
  calledUs = 0;
  operation = 0;
  abort: AbortController | null = null;
  readonly user: number;

  constructor(user: number) {
    this.user = user;
  }
}

export class ModuleEngine extends PlanRun<ModuleEngineOptions> {
  readonly failures = new Failures();
  /** Runs that went on after their time-out. */
  overdue = 0;

  private readonly deadlines: Deadlines<Slot>;
  private readonly pick: (index: number) => number;
  private readonly free: Slot[] = [];
  private readonly running = new Set<Slot>();
  /** Promises of `run` that have not settled, overdue ones included. */
  private unsettled = 0;
  private slots = 0;
  private turnUs = 0;
  private onSettled: (() => void) | null = null;

  constructor(options: ModuleEngineOptions, startUs: number) {
    super(options, options.operations, startUs);
    const { plan } = options;
    this.deadlines = new Deadlines<Slot>(nowUs, (slot, now) => this.timedOut(slot, now));
    const weights = plan.scenario?.operations.map(({ weight }) => weight) ?? [1];
    this.pick = operationPicker(weights, plan.seed);
  }

  private newSlot(): Slot {
    return new Slot(this.slots++);
  }

  // ── issuing ────────────────────────────────────────────────────────────────────────────────

  protected startUsers(): void {
    for (let i = 0; i < this.options.connections; i++) this.nextOfUser(this.newSlot());
  }

  protected issueQueued(now: number): boolean {
    return this.callQueued(now, null);
  }

  /** Call the oldest run that waits, in `slot` or in a free one; false: none is. */
  private callQueued(now: number, slot: Slot | null): boolean {
    const free = slot ?? this.free.pop() ?? null;
    if (free === null && this.slots >= this.options.connections) return false;
    const { index, intendedUs, takenUs } = this.queue;
    this.queue.shift();
    this.call(free ?? this.newSlot(), index, intendedUs, takenUs, now);
    return true;
  }

  private nextOfUser(slot: Slot): void {
    const now = nowUs();
    if (!this.issuing || now >= this.endUs) return;
    this.call(slot, this.takeIndex(), now, now, now);
  }

  private call(slot: Slot, index: number, intendedUs: number, takenUs: number, now: number): void {
    slot.isMeasured = intendedUs >= this.measureUs;
    slot.intendedUs = intendedUs;
    slot.takenUs = takenUs;
    slot.calledUs = now;
    slot.operation = this.pick(index);
    slot.abort = null;
    if (slot.isMeasured) {
      this.totals.sent++;
      if (takenUs === now) this.recorder.noWait++;
      else this.recorder.get('wait').record(now - takenUs);
    } else this.totals.warmupSent++;
    this.running.add(slot);
    this.deadlines.start(slot, now + this.timeoutUs);
    this.unsettled++;
    const context = this.contextOf(slot, index);
    (async () => this.options.benchmark.run(context))().then(
      (result) => this.settled(slot, result ?? {}),
      (error: unknown) => this.settled(slot, { error: this.failures.note(error) }),
    );
  }

  private contextOf(slot: Slot, index: number): RunContext {
    const { url, state, worker, workers, operations, plan } = this.options;
    let random: Random | null = null;
    return {
      url,
      seed: plan.seed,
      worker,
      workers,
      state,
      operation: operations[slot.operation]!,
      index,
      user: slot.user,
      random() {
        random ??= new Random(hash(plan.seed, index));
        return random.next();
      },
      // made only for a run that asks
      get signal() {
        slot.abort ??= new AbortController();
        return slot.abort.signal;
      },
    };
  }

  // ── settling ───────────────────────────────────────────────────────────────────────────────

  private settled(slot: Slot, { bytes, error }: RunResult): void {
    this.unsettled--;
    this.pacer.noteWork();
    if (!this.running.has(slot)) {
      // it was given up before: its outcome is recorded already
      if (this.unsettled === 0) this.onSettled?.();
      return;
    }
    const now = nowUs();
    this.record(slot, now, error === undefined ? null : this.failures.nameOf(error));
    const received = Number.isFinite(bytes) ? Math.max(0, bytes!) : 0;
    if (slot.isMeasured) {
      this.recorder.bytesReceived += received;
      if (now <= this.endUs && error === undefined) this.totals.bytesInTime += received;
    }
    this.release(slot);
    this.continueWith(slot, now);
  }

  private timedOut(slot: Slot, now: number): void {
    this.pacer.noteWork();
    this.overdue++;
    this.record(slot, now, 'RUN_TIMEOUT');
    this.release(slot);
    slot.abort?.abort(new Error('the run took too long'));
    this.continueWith(new Slot(slot.user), now);
  }

  private release(slot: Slot): void {
    this.running.delete(slot);
    this.deadlines.cancel(slot);
  }

  private record(slot: Slot, now: number, error: string | null): void {
    const { recorder, totals } = this;
    recorder.rollTo(now);
    if (error === null && now >= this.measureUs && now <= this.endUs) totals.answeredInWindow++;
    const responseUs = now - slot.intendedUs;
    if (!slot.isMeasured) {
      recorder.warmDone(responseUs, error === null);
      return;
    }
    if (error === null) {
      totals.answered++;
      recorder.answered(slot.operation, responseUs, 0);
      if (now <= this.endUs) totals.answeredInTime++;
    } else {
      totals.failed++;
      recorder.failed(slot.operation, responseUs, error, 0);
    }
    recorder.whole.record(now - slot.calledUs);
  }

  /** A place is free: the next run goes there, after a turn of the event loop where one is due. */
  private continueWith(slot: Slot, now: number): void {
    if (this.finished) return;
    if (now - this.turnUs < YIELD_AFTER_US) {
      this.next(slot);
      return;
    }
    setImmediate(() => {
      this.turnUs = nowUs();
      this.next(slot);
    });
  }

  private next(slot: Slot): void {
    if (this.finished) return;
    if (!this.isOpenLoop) this.nextOfUser(slot);
    else if (this.queue.length > 0) this.callQueued(nowUs(), slot);
    else this.free.push(slot);
    if (this.running.size === 0) this.finishIfDone();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────

  protected hasOpen(): boolean {
    return this.running.size > 0;
  }

  protected censorOpen(now: number): void {
    const { recorder, totals } = this;
    for (const slot of this.running) {
      this.release(slot);
      slot.abort?.abort(new Error('the load is over'));
      if (!slot.isMeasured) continue;
      totals.open++;
      recorder.get('openResponse').recordCensored(now - slot.intendedUs);
      recorder.get('service').recordCensored(now - slot.calledUs);
      recorder.get('ttfb').recordCensored(now - slot.calledUs);
    }
    this.deadlines.close();
  }

  protected conclude(): void {
    void this.settle().then(() => this.onFinished(this.totals));
  }

  private async settle(): Promise<void> {
    if (this.unsettled === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SETTLE_MS);
      this.onSettled = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
