/**
 * The engine of one worker: takes up what the plan intends, dispatches it on a connection, stamps
 * and records it, and at the end censors what is left. The cycle of a request:
 *
 *   intended ─lag→ taken up ─wait→ sent ─ttfb→ first byte ─body→ done
 */
import { nowUs } from './clock.ts';
import type { Connection, ConnectionOwner, RequestKind } from './connection.ts';
import { Deadlines } from './deadlines.ts';
import { ItemKeeper, type VirtualUser } from './items.ts';
import { Pacer } from './pacer.ts';
import { operationPicker, type PlanInput } from './plan.ts';
import { ConnectionPool } from './pool.ts';
import { PlanQueue } from './queue.ts';
import { Recorder, type WindowDelta } from './recorder.ts';
import { type CompiledOperation, type Endpoint, statusError } from './request.ts';
import { recordDone, recordOpen, recordUnsent } from './stamps.ts';
import { type EngineTotals, newTotals } from './totals.ts';

/** A closed loop that is refused tries again after this, so as not to spin. */
const RECONNECT_PAUSE_MS = 10;
const VERIFY_CONNECTIONS = 8;
const VERIFY_MAX_MS = 10_000;

export interface EngineOptions {
  plan: PlanInput & { drainMs: number; timeoutMs: number };
  endpoint: Endpoint;
  operations: CompiledOperation[];
  verify: { live: number; gone: number | null } | null;
  worker: number;
  workers: number;
  /** This worker's share of the connection cap or of the virtual users. */
  connections: number;
  onDelta: (delta: WindowDelta) => void;
}

export class Engine implements ConnectionOwner {
  private readonly options: EngineOptions;
  private readonly startUs: number;
  private readonly measureUs: number;
  private readonly endUs: number;
  private readonly isOpenLoop: boolean;
  private readonly recorder: Recorder;
  private readonly deadlines: Deadlines<Connection>;
  private readonly timeoutUs: number;
  private readonly pick: (index: number) => number;
  private readonly items: ItemKeeper;
  /** Some operation needs or makes an item; false spares the hot path the question. */
  private readonly usesItems: boolean;

  private readonly pool: ConnectionPool;
  private inFlight = 0;

  /** Open loop only. */
  private readonly queue: PlanQueue;
  private readonly pacer: Pacer;
  /** Closed loop: the next request's index. */
  private nextIndex: number;

  private issuing = true;
  private finished = false;
  private interruptedAtUs: number | null = null;
  private timers: NodeJS.Timeout[] = [];
  private rollTimer: NodeJS.Timeout | undefined;
  private verifying: Array<[operation: number, user: VirtualUser]> | null = null;
  private onFinished!: (totals: EngineTotals) => void;
  /** Resolves when the run, its drain and its verification are over. */
  readonly done: Promise<EngineTotals>;

  private readonly totals = newTotals();

  /** `startUs`: t0 of the plan on the shared clock, the same for all workers. */
  constructor(options: EngineOptions, startUs: number) {
    const { plan, worker, workers, operations } = options;
    this.options = options;
    this.startUs = startUs;
    this.measureUs = startUs + plan.warmupMs * 1000;
    this.endUs = this.measureUs + plan.durationMs * 1000;
    this.timeoutUs = plan.timeoutMs * 1000;
    this.isOpenLoop = plan.loop === 'open';
    this.recorder = new Recorder(
      operations.map(({ name }) => name),
      startUs,
      this.measureUs,
      options.onDelta,
    );
    this.deadlines = new Deadlines<Connection>(nowUs, (connection, now) =>
      this.timedOut(connection, now),
    );
    this.pool = new ConnectionPool(options.endpoint);
    const weights = (plan.scenario?.operations ?? [{ weight: 1 }]).map(({ weight }) => weight);
    this.pick = operationPicker(weights, plan.seed);
    this.items = new ItemKeeper(operations, options.endpoint, plan.seed, worker);
    this.usesItems = operations.some(({ effect, needsItem }) => effect !== 'none' || needsItem);
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
    this.at(this.endUs, () => this.stopIssuing());
    this.at(this.endUs + this.options.plan.drainMs * 1000, () => this.finish());
    this.rollAtWindowEnd();
    if (this.isOpenLoop) this.pacer.start();
    else this.at(this.startUs, () => this.startUsers());
  }

  /** Stop at once: nothing more is issued, what is open is censored. */
  interrupt(): void {
    if (this.finished) {
      if (this.verifying !== null) this.end();
      return;
    }
    this.interruptedAtUs = nowUs();
    this.finish();
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
      if (!this.sendQueued(now, null)) totals.queued++;
    }
    return queue.dueUs;
  }

  /** Send the oldest request that waits, on `connection` or on what is free; false: none is. */
  private sendQueued(now: number, connection: Connection | null): boolean {
    const free = connection ?? this.pool.take(now);
    if (free === null && this.pool.size >= this.options.connections) return false;
    const { index, intendedUs, takenUs } = this.queue;
    this.queue.shift();
    this.dispatch(free, index, intendedUs, takenUs, now);
    return true;
  }

  private startUsers(): void {
    for (let i = 0; i < this.options.connections; i++) this.nextOfUser(null, nowUs());
  }

  private nextOfUser(connection: Connection | null, now: number): void {
    if (!this.issuing || now >= this.endUs) {
      if (connection) this.pool.drop(connection);
      return;
    }
    const index = this.nextIndex;
    this.nextIndex += this.options.workers;
    this.dispatch(connection, index, now, now, now);
  }

  private dispatch(
    free: Connection | null,
    index: number,
    intendedUs: number,
    takenUs: number,
    now: number,
  ): void {
    const kind: RequestKind = intendedUs >= this.measureUs ? 'measured' : 'warm';
    if (kind === 'measured') this.totals.sent++;
    else this.totals.warmupSent++;
    const connection = free ?? this.pool.open(this, now);
    connection.index = index;
    connection.operation = this.pick(index);
    connection.kind = kind;
    connection.intendedUs = intendedUs;
    connection.takenUs = takenUs;
    if (this.usesItems) this.items.assign(connection);
    this.inFlight++;
    this.deadlines.start(connection, now + this.timeoutUs);
    if (free) this.put(connection, now);
  }

  /** Put the request of an open connection on the wire. */
  private put(connection: Connection, now: number): void {
    const compiled = this.options.operations[connection.operation]!;
    const bytes = compiled.fixed ?? this.items.render(connection, compiled);
    if (connection.kind === 'measured') {
      if (connection.takenUs === now) this.recorder.noWait++;
      else this.recorder.get('wait').record(now - connection.takenUs);
      this.recorder.bytesSent += bytes.length;
    }
    connection.send(bytes, compiled.isHead, now);
    if (connection.onWire) this.countOnWire(connection);
  }

  private countOnWire(connection: Connection): void {
    connection.onWire = true;
    this.totals.sentOnWire++;
    if (connection.kind === 'verify') this.totals.verifySent++;
  }

  // ── events of connections ──────────────────────────────────────────────────────────────────

  connected(connection: Connection, now: number): void {
    this.pacer.noteWork();
    if (connection.kind === 'measured') {
      this.recorder.rollTo(now);
      this.recorder.get('connect').record(now - connection.startedUs);
    }
    this.put(connection, now);
  }

  responded(connection: Connection, now: number): void {
    this.pacer.noteWork();
    const { parser } = connection;
    const compiled = this.options.operations[connection.operation]!;
    if (!connection.onWire) this.countOnWire(connection);
    let error = statusError(compiled, parser.status);
    if (compiled.fixed === null) error = this.items.settle(connection, compiled, error);
    recordDone(this.recorder, this.totals, connection, { now, endUs: this.endUs, error });
    if (parser.keepAliveSeconds >= 0) {
      // a second early, so as not to meet the server's close on the way
      connection.usableUntilUs = now + Math.max(0, parser.keepAliveSeconds - 1) * 1e6;
    }
    this.inFlight--;
    this.deadlines.cancel(connection);
    if (parser.keepAlive) {
      connection.idle();
      this.continueWith(connection);
    } else {
      this.pool.drop(connection);
      this.continueWith(null);
    }
  }

  broken(connection: Connection, now: number, error: string): void {
    this.pacer.noteWork();
    if (error === 'ECONNRESET' && !connection.isFresh) this.totals.resetOnReuse++;
    this.fail(connection, now, error);
  }

  lostIdle(connection: Connection, unsolicited: boolean): void {
    this.pacer.noteWork();
    if (unsolicited) this.totals.unsolicited++;
    this.pool.drop(connection);
  }

  private timedOut(connection: Connection, now: number): void {
    this.pacer.noteWork();
    const error = connection.isBusy ? 'REQUEST_TIMEOUT' : 'CONNECT_TIMEOUT';
    connection.close();
    this.fail(connection, now, error);
  }

  private fail(connection: Connection, now: number, error: string): void {
    const wasConnecting = connection.sentUs === 0;
    const compiled = this.options.operations[connection.operation]!;
    if (compiled.fixed === null) this.items.abandon(connection, compiled, error);
    recordDone(this.recorder, this.totals, connection, { now, endUs: this.endUs, error });
    this.inFlight--;
    this.deadlines.cancel(connection);
    this.pool.drop(connection);
    if (!this.isOpenLoop && wasConnecting && this.verifying === null) {
      setTimeout(() => this.continueWith(null), RECONNECT_PAUSE_MS);
      this.finishIfDone();
    } else this.continueWith(null);
  }

  /** A connection or a place for one is free: give it the next request, if there is one. */
  private continueWith(connection: Connection | null): void {
    if (this.finished) {
      this.verifyNext(connection);
      return;
    }
    if (!this.isOpenLoop) this.nextOfUser(connection, nowUs());
    else if (this.queue.length > 0) this.sendQueued(nowUs(), connection);
    else if (connection) this.pool.release(connection);
    if (this.inFlight === 0) this.finishIfDone();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────

  private stopIssuing(): void {
    this.issuing = false;
    this.finishIfDone();
  }

  private finishIfDone(): void {
    if (this.finished || this.issuing || this.inFlight > 0) return;
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
    this.censor(now);
    this.recorder.flush();
    const { totals } = this;
    totals.spinUs = this.pacer.spinUs;
    totals.planned = totals.sent + totals.unsent;
    totals.elapsedUs = now - this.startUs;
    this.startVerifying();
  }

  /** What is open, and what was never sent, took at least until now. */
  private censor(now: number): void {
    for (const connection of this.pool.list()) {
      if (connection.deadlineUs > 0) {
        this.inFlight--;
        this.deadlines.cancel(connection);
        if (connection.kind === 'measured') {
          recordOpen(this.recorder, this.totals, connection, now);
        }
      }
      this.pool.drop(connection);
    }
    if (!this.isOpenLoop) return;
    const untilUs = this.interruptedAtUs ?? Number.POSITIVE_INFINITY;
    for (const request of this.queue.unsent(untilUs)) {
      if (request.intendedUs < this.measureUs) continue;
      recordUnsent(this.recorder, this.totals, request, now);
    }
  }

  private startVerifying(): void {
    const { verify } = this.options;
    const jobs = verify && this.interruptedAtUs === null ? this.items.toVerify(verify) : [];
    if (jobs.length === 0) {
      this.end();
      return;
    }
    this.verifying = jobs;
    this.timers = [setTimeout(() => this.end(), VERIFY_MAX_MS)];
    const parallel = Math.min(VERIFY_CONNECTIONS, this.options.connections, jobs.length);
    for (let i = 0; i < parallel; i++) this.verifyNext(null);
  }

  private verifyNext(free: Connection | null): void {
    const job = this.verifying?.pop();
    if (job === undefined) {
      if (free) this.pool.drop(free);
      if (this.verifying !== null && this.inFlight === 0) this.end();
      return;
    }
    const now = nowUs();
    const connection = free ?? this.pool.open(this, now);
    connection.kind = 'verify';
    connection.index = -1;
    [connection.operation, connection.user] = job;
    this.inFlight++;
    this.deadlines.start(connection, now + this.timeoutUs);
    if (free) this.put(connection, now);
  }

  private end(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.items.unverified += (this.verifying?.length ?? 0) + (this.verifying ? this.inFlight : 0);
    this.verifying = null;
    for (const connection of this.pool.list()) this.pool.drop(connection);
    this.deadlines.close();
    const { totals } = this;
    totals.connectionsOpened = this.pool.opened;
    totals.substituted = this.items.substituted;
    totals.postBytes = this.items.postBytes;
    if (this.usesItems) totals.integrity = this.items.integrity();
    this.onFinished(totals);
  }
}
