/**
 * The engine of one worker: takes up what the plan intends, dispatches it on a connection, stamps
 * and records it, and at the end censors what is left. The cycle of a request:
 *
 *   intended ─lag→ taken up ─wait→ sent ─ttfb→ first byte ─body→ done
 *
 * The queue of requests that found no free connection is the plan itself, between two cursors: it
 * takes no memory, is never dropped and keeps the intended times.
 */
import { nowUs } from './clock.ts';
import { Connection, type ConnectionOwner, type RequestKind } from './connection.ts';
import { Deadlines } from './deadlines.ts';
import { ItemKeeper, type VirtualUser } from './items.ts';
import { type Arrivals, arrivalsOf, operationPicker, type PlanInput } from './plan.ts';
import { Recorder, type WindowDelta } from './recorder.ts';
import type { CompiledOperation, Endpoint } from './request.ts';

/** Take-up times of queued requests that are remembered; beyond it their lag counts as wait. */
const TAKEN_RING = 1 << 16;
/** A closed loop that is refused tries again after this, so as not to spin. */
const RECONNECT_PAUSE_MS = 10;
const VERIFY_CONNECTIONS = 8;
const VERIFY_MAX_ITEMS = 5000;
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

/** Counters of a worker's whole run. Measured requests only, except where it says so. */
export interface EngineTotals {
  planned: number;
  sent: number;
  unsent: number;
  answered: number;
  failed: number;
  open: number;
  warmupSent: number;
  /** All kinds. */
  sentOnWire: number;
  verifySent: number;
  /** Taken up by the generator before the end of the measured time. */
  takenInTime: number;
  /** Answered before the end of the measured time, and their bytes. */
  answeredInTime: number;
  bytesInTime: number;
  /** Requests that had to queue for a connection. */
  queued: number;
  connectionsOpened: number;
  /** Closed or reset by the server before any byte of a response, on a reused connection. */
  resetOnReuse: number;
  unsolicited: number;
  /** Scenario requests that ran the create operation because no item was there. */
  substituted: number;
  spinUs: number;
  elapsedUs: number;
  integrity: { acknowledged: number; verified: number; lost: number; details: string[] } | null;
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
  private readonly readBuffer: Uint8Array;
  private readonly pick: (index: number) => number;
  private readonly items: ItemKeeper;
  /** Some operation needs or makes an item; false spares the hot path the question. */
  private readonly usesItems: boolean;

  /** Connections in use or connecting, and idle ones (newest last). */
  private readonly all = new Set<Connection>();
  private readonly idleStack: Connection[] = [];
  private inFlight = 0;

  /** Open loop: next to be taken up, and next to be sent; equal where nothing waits. */
  private readonly due: Arrivals;
  private readonly head: Arrivals;
  private queueLength = 0;
  private takenTotal = 0;
  private sentTotal = 0;
  private readonly takenAt: Float64Array;
  /** Closed loop: the next request's index. */
  private nextIndex: number;

  private issuing = true;
  private finished = false;
  private interruptedAtUs: number | null = null;
  private timers: NodeJS.Timeout[] = [];
  private rollTimer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | null = null;
  private paceTimer: NodeJS.Timeout | null = null;
  private lastPaceUs = 0;
  private eventsAtLastPace = 0;
  private events = 0;
  private verifying: Array<[operation: number, user: VirtualUser]> | null = null;
  private onFinished!: (totals: EngineTotals) => void;
  /** Resolves when the run, its drain and its verification are over. */
  readonly done: Promise<EngineTotals>;

  private readonly totals: EngineTotals = {
    planned: 0,
    sent: 0,
    unsent: 0,
    answered: 0,
    failed: 0,
    open: 0,
    warmupSent: 0,
    sentOnWire: 0,
    verifySent: 0,
    takenInTime: 0,
    answeredInTime: 0,
    bytesInTime: 0,
    queued: 0,
    connectionsOpened: 0,
    resetOnReuse: 0,
    unsolicited: 0,
    substituted: 0,
    spinUs: 0,
    elapsedUs: 0,
    integrity: null,
  };

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
    this.readBuffer = new Uint8Array(64 * 1024);
    const weights = (plan.scenario?.operations ?? [{ weight: 1 }]).map(({ weight }) => weight);
    this.pick = operationPicker(weights, plan.seed);
    this.items = new ItemKeeper(operations, options.endpoint, plan.seed, worker);
    this.usesItems = operations.some(({ effect, needsItem }) => effect !== 'none' || needsItem);
    this.due = arrivalsOf(plan, worker, workers);
    this.head = arrivalsOf(plan, worker, workers);
    this.takenAt = new Float64Array(this.isOpenLoop ? TAKEN_RING : 0);
    this.nextIndex = worker;
    this.done = new Promise((resolve) => {
      this.onFinished = resolve;
    });
  }

  start(): void {
    this.at(this.endUs, () => this.stopIssuing());
    this.at(this.endUs + this.options.plan.drainMs * 1000, () => this.finish());
    this.rollAtWindowEnd();
    if (this.isOpenLoop) this.pace();
    else this.at(this.startUs, () => this.startUsers());
  }

  /** Stop at once: nothing more is issued, what is open is censored. */
  interrupt(): void {
    if (this.finished) return;
    this.interruptedAtUs = nowUs();
    this.issuing = false;
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

  // ── open loop ──────────────────────────────────────────────────────────────────────────────

  private readonly pace = (): void => {
    this.immediate = null;
    this.paceTimer = null;
    if (this.finished) return;
    let now = nowUs();
    let dueUs = this.startUs + this.due.atUs;
    if (dueUs > now && this.events === this.eventsAtLastPace && this.lastPaceUs > 0) {
      this.totals.spinUs += now - this.lastPaceUs;
    }
    while (dueUs <= now) {
      this.takeUp(dueUs, now);
      now = nowUs();
      dueUs = this.startUs + this.due.atUs;
    }
    if (dueUs === Number.POSITIVE_INFINITY) {
      this.finishIfDone();
      return;
    }
    this.eventsAtLastPace = this.events;
    const waitUs = dueUs - now;
    if (waitUs > 2200) {
      this.lastPaceUs = 0;
      this.paceTimer = setTimeout(this.pace, Math.floor((waitUs - 1200) / 1000));
    } else {
      this.lastPaceUs = now;
      this.immediate = setImmediate(this.pace);
    }
  };

  /** The plan's next request is due: send it, or leave it in the queue. */
  private takeUp(dueUs: number, now: number): void {
    const { recorder, totals } = this;
    this.events++;
    recorder.rollTo(now);
    if (dueUs >= this.measureUs) {
      const lagUs = now - dueUs;
      recorder.lag.record(lagUs);
      if (lagUs > recorder.maxLagUs) recorder.maxLagUs = lagUs;
      if (now <= this.endUs) totals.takenInTime++;
    }
    this.takenAt[this.takenTotal++ & (TAKEN_RING - 1)] = now;
    this.queueLength++;
    this.due.advance();
    if (!this.sendQueued(now, null)) totals.queued++;
  }

  /** Send the oldest request that waits, on `connection` or on what is free; false: none is. */
  private sendQueued(now: number, connection: Connection | null): boolean {
    const free = connection ?? this.freeConnection(now);
    if (free === null && this.all.size >= this.options.connections) return false;
    const { head } = this;
    const behind = this.takenTotal - this.sentTotal;
    const intendedUs = this.startUs + head.atUs;
    const takenUs =
      behind > TAKEN_RING ? intendedUs : this.takenAt[this.sentTotal & (TAKEN_RING - 1)]!;
    const { index } = head;
    this.sentTotal++;
    this.queueLength--;
    head.advance();
    this.dispatch(free, index, intendedUs, takenUs, now);
    return true;
  }

  private freeConnection(now: number): Connection | null {
    for (;;) {
      const connection = this.idleStack.pop();
      if (connection === undefined) return null;
      if (!connection.isOpen) continue;
      if (connection.usableUntilUs > now) return connection;
      this.drop(connection);
    }
  }

  // ── closed loop ────────────────────────────────────────────────────────────────────────────

  private startUsers(): void {
    for (let i = 0; i < this.options.connections; i++) this.nextOfUser(null, nowUs());
  }

  private nextOfUser(connection: Connection | null, now: number): void {
    if (!this.issuing || now >= this.endUs) {
      if (connection) this.drop(connection);
      return;
    }
    const index = this.nextIndex;
    this.nextIndex += this.options.workers;
    const usable = connection && connection.usableUntilUs > now ? connection : null;
    if (connection && !usable) this.drop(connection);
    this.dispatch(usable, index, now, now, now);
  }

  // ── one request ────────────────────────────────────────────────────────────────────────────

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
    const connection = free ?? this.open(now);
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

  private open(now: number): Connection {
    const connection = new Connection(this, this.options.endpoint, this.readBuffer, now);
    this.all.add(connection);
    this.totals.connectionsOpened++;
    return connection;
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
    this.events++;
    if (connection.kind === 'measured') {
      this.recorder.rollTo(now);
      this.recorder.get('connect').record(now - connection.startedUs);
    }
    this.put(connection, now);
  }

  responded(connection: Connection, now: number): void {
    this.events++;
    const { parser } = connection;
    const compiled = this.options.operations[connection.operation]!;
    if (!connection.onWire) this.countOnWire(connection);
    const passed =
      compiled.expectStatus === null
        ? parser.status < 400
        : compiled.expectStatus.has(parser.status);
    let error: string | null = null;
    if (!passed) error = parser.status >= 400 ? `HTTP_${parser.status}` : 'CHECK_FAILED';
    if (compiled.fixed === null) error = this.items.settle(connection, compiled, error);
    this.record(connection, now, error);
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
      this.drop(connection);
      this.continueWith(null);
    }
  }

  broken(connection: Connection, now: number, error: string): void {
    this.events++;
    if (error === 'ECONNRESET' && !connection.isFresh) this.totals.resetOnReuse++;
    this.fail(connection, now, error);
  }

  lostIdle(connection: Connection, unsolicited: boolean): void {
    this.events++;
    if (unsolicited) this.totals.unsolicited++;
    this.all.delete(connection);
  }

  private timedOut(connection: Connection, now: number): void {
    this.events++;
    const error = connection.isBusy ? 'REQUEST_TIMEOUT' : 'CONNECT_TIMEOUT';
    connection.close();
    this.fail(connection, now, error);
  }

  private fail(connection: Connection, now: number, error: string): void {
    const wasConnecting = connection.sentUs === 0;
    const compiled = this.options.operations[connection.operation]!;
    if (compiled.fixed === null) this.items.abandon(connection, compiled, error);
    this.record(connection, now, error);
    this.inFlight--;
    this.deadlines.cancel(connection);
    this.drop(connection);
    if (!this.isOpenLoop && wasConnecting && this.verifying === null) {
      setTimeout(() => this.continueWith(null), RECONNECT_PAUSE_MS);
      this.finishIfDone();
    } else this.continueWith(null);
  }

  private drop(connection: Connection): void {
    connection.close();
    this.all.delete(connection);
  }

  /** A connection or a place for one is free: give it the next request, if there is one. */
  private continueWith(connection: Connection | null): void {
    if (this.finished) {
      this.verifyNext(connection);
      return;
    }
    if (!this.isOpenLoop) this.nextOfUser(connection, nowUs());
    else if (this.queueLength > 0) {
      if (!this.sendQueued(nowUs(), connection) && connection) this.idleStack.push(connection);
    } else if (connection) this.idleStack.push(connection);
    if (this.inFlight === 0) this.finishIfDone();
  }

  private record(connection: Connection, now: number, error: string | null): void {
    const { parser } = connection;
    if (connection.kind === 'verify') return;
    const { recorder, totals } = this;
    recorder.rollTo(now);
    const responseUs = now - connection.intendedUs;
    if (connection.kind === 'warm') {
      recorder.warmDone(responseUs, error === null);
      return;
    }
    if (error === null) {
      totals.answered++;
      recorder.answered(connection.operation, responseUs, parser.status);
      if (now <= this.endUs) {
        totals.answeredInTime++;
        totals.bytesInTime += parser.bytes;
      }
    } else {
      totals.failed++;
      recorder.failed(connection.operation, responseUs, error, parser.status);
    }
    if (connection.isFresh) recorder.get('fresh').record(responseUs);
    if (connection.sentUs === 0) return;
    recorder.bytesReceived += parser.bytes;
    const { firstByteUs } = connection;
    if (parser.done && !connection.inPieces) recorder.whole.record(now - connection.sentUs);
    else {
      recorder.get('service').record(now - connection.sentUs);
      if (firstByteUs > 0) {
        recorder.get('ttfb').record(firstByteUs - connection.sentUs);
        recorder.get('body').record(now - firstByteUs);
      }
    }
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────

  private stopIssuing(): void {
    this.issuing = false;
    for (let c = this.idleStack.pop(); !this.isOpenLoop && c; c = this.idleStack.pop())
      this.drop(c);
    this.finishIfDone();
  }

  private finishIfDone(): void {
    if (this.finished || this.issuing || this.inFlight > 0) return;
    if (this.isOpenLoop && (this.queueLength > 0 || Number.isFinite(this.due.atUs))) return;
    this.finish();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.issuing = false;
    const now = nowUs();
    for (const timer of this.timers) clearTimeout(timer);
    clearTimeout(this.rollTimer);
    if (this.immediate) clearImmediate(this.immediate);
    if (this.paceTimer) clearTimeout(this.paceTimer);
    this.recorder.rollTo(now);
    this.censorOpen(now);
    this.censorUnsent(now);
    this.recorder.flush();
    const { totals } = this;
    totals.planned = totals.sent + totals.unsent;
    totals.elapsedUs = now - this.startUs;
    this.startVerifying();
  }

  private censorOpen(now: number): void {
    for (const connection of [...this.all]) {
      if (connection.deadlineUs > 0) {
        this.inFlight--;
        this.deadlines.cancel(connection);
        if (connection.kind === 'measured') this.censor(connection, now);
      }
      this.drop(connection);
    }
  }

  private censor(connection: Connection, now: number): void {
    const { recorder } = this;
    this.totals.open++;
    recorder.get('openResponse').recordCensored(now - connection.intendedUs);
    if (connection.isFresh) recorder.get('openFresh').recordCensored(now - connection.intendedUs);
    if (connection.sentUs === 0) {
      recorder.get('wait').recordCensored(now - connection.takenUs);
      return;
    }
    recorder.get('service').recordCensored(now - connection.sentUs);
    const { firstByteUs } = connection;
    if (firstByteUs === 0) recorder.get('ttfb').recordCensored(now - connection.sentUs);
    else {
      recorder.get('ttfb').record(firstByteUs - connection.sentUs);
      recorder.get('body').recordCensored(now - firstByteUs);
    }
  }

  /** What waits, and (interrupted, or a generator that fell behind) what was never taken up. */
  private censorUnsent(now: number): void {
    if (!this.isOpenLoop) return;
    const { recorder, head, due } = this;
    const untilUs = this.interruptedAtUs ?? Number.POSITIVE_INFINITY;
    for (; this.startUs + head.atUs <= untilUs && Number.isFinite(head.atUs); head.advance()) {
      const intendedUs = this.startUs + head.atUs;
      if (intendedUs < this.measureUs) continue;
      this.totals.unsent++;
      recorder.get('unsent').recordCensored(now - intendedUs);
      if (head.index >= due.index) recorder.lag.recordCensored(now - intendedUs);
      else recorder.get('wait').recordCensored(now - intendedUs);
    }
  }

  // ── verification after the run ─────────────────────────────────────────────────────────────

  private startVerifying(): void {
    const { verify } = this.options;
    const hasItems = this.items.live.length + this.items.deleted.length > 0;
    if (!verify || !hasItems || this.interruptedAtUs !== null) {
      this.end();
      return;
    }
    const jobs: Array<[number, VirtualUser]> = this.items.live.map((user) => [verify.live, user]);
    if (verify.gone !== null) for (const user of this.items.deleted) jobs.push([verify.gone, user]);
    this.items.unverified += Math.max(0, jobs.length - VERIFY_MAX_ITEMS);
    this.verifying = jobs.slice(0, VERIFY_MAX_ITEMS);
    this.timers = [setTimeout(() => this.end(), VERIFY_MAX_MS)];
    const parallel = Math.min(VERIFY_CONNECTIONS, this.options.connections, this.verifying.length);
    for (let i = 0; i < parallel; i++) this.verifyNext(null);
  }

  private verifyNext(free: Connection | null): void {
    const job = this.verifying?.pop();
    if (job === undefined) {
      if (free) this.drop(free);
      if (this.verifying !== null && this.inFlight === 0) this.end();
      return;
    }
    const now = nowUs();
    const connection = free ?? this.open(now);
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
    for (const connection of [...this.all]) this.drop(connection);
    this.deadlines.close();
    const { totals } = this;
    totals.substituted = this.items.substituted;
    if (this.usesItems) totals.integrity = this.items.integrity();
    this.onFinished(totals);
  }
}
