/**
 * The open loop's queue. Requests that found no free connection are not stored: they are the plan
 * itself, between two cursors over it. So the queue takes no memory, drops nothing, and keeps the
 * intended times. Pure.
 */
import { type Arrivals, arrivalsOf, type PlanInput } from './plan.ts';

/** Take-up times that are remembered; of requests further back the lag counts as wait. */
const REMEMBERED = 1 << 16;

export class PlanQueue {
  /** The next request to become due. */
  private readonly due: Arrivals;
  /** The next to be sent: the oldest that waits, or the next due. */
  private readonly head: Arrivals;
  private readonly takenAtUs = new Float64Array(REMEMBERED);
  private taken = 0;
  private sent = 0;
  private readonly startUs: number;

  constructor(plan: PlanInput, worker: number, workers: number, startUs: number) {
    this.due = arrivalsOf(plan, worker, workers);
    this.head = arrivalsOf(plan, worker, workers);
    this.startUs = startUs;
  }

  /** When the next request is due, on the clock; Infinity at the plan's end. */
  get dueUs(): number {
    return this.startUs + this.due.atUs;
  }

  /** How many are due and not sent. */
  get length(): number {
    return this.taken - this.sent;
  }

  /** The generator takes up the next due request, at `now`. */
  takeUp(now: number): void {
    this.takenAtUs[this.taken++ & (REMEMBERED - 1)] = now;
    this.due.advance();
  }

  // the oldest request that waits
  get index(): number {
    return this.head.index;
  }

  get intendedUs(): number {
    return this.startUs + this.head.atUs;
  }

  get takenUs(): number {
    return this.length > REMEMBERED
      ? this.intendedUs
      : this.takenAtUs[this.sent & (REMEMBERED - 1)]!;
  }

  /** The oldest that waits is sent: go on to the next. */
  shift(): void {
    this.sent++;
    this.head.advance();
  }

  /** All that was not sent and was due by `untilUs`; `wasTaken`: the generator had taken it up. */
  *unsent(untilUs: number): Generator<{ intendedUs: number; wasTaken: boolean }> {
    for (; Number.isFinite(this.head.atUs) && this.intendedUs <= untilUs; this.head.advance()) {
      yield { intendedUs: this.intendedUs, wasTaken: this.head.index < this.due.index };
    }
  }
}
