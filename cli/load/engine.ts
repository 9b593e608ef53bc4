/**
 * The engine of one worker: takes up what the plan intends, dispatches it on a connection, stamps
 * and records it, and at the end censors what is left. The cycle of a request:
 *
 *   intended ─lag→ taken up ─wait→ sent ─ttfb→ first byte ─body→ done
 */
import { nowUs } from './clock.ts';
import type { Connection, ConnectionOwner, RequestKind } from './connection.ts';
import { Deadlines } from './deadlines.ts';
import type { VirtualUser } from './item-store.ts';
import { ItemKeeper } from './items.ts';
import { operationPicker } from './plan.ts';
import { PlanRun, type PlanRunOptions } from './plan-run.ts';
import { ConnectionPool } from './pool.ts';
import { type CompiledOperation, type Endpoint, statusError } from './request.ts';
import { recordDone, recordOpen } from './stamps.ts';

/** A closed loop that is refused tries again after this, so as not to spin. */
const RECONNECT_PAUSE_MS = 10;
const VERIFY_CONNECTIONS = 8;
const VERIFY_MAX_MS = 10_000;

export interface EngineOptions extends PlanRunOptions {
  endpoint: Endpoint;
  operations: CompiledOperation[];
  verify: { live: number; gone: number | null } | null;
}

export class Engine extends PlanRun<EngineOptions> implements ConnectionOwner {
  private readonly deadlines: Deadlines<Connection>;
  private readonly pick: (index: number) => number;
  private readonly items: ItemKeeper;
  /** Some operation needs or makes an item; false spares the hot path the question. */
  private readonly usesItems: boolean;
  private readonly pool: ConnectionPool;
  private inFlight = 0;
  private verifying: Array<[operation: number, user: VirtualUser]> | null = null;

  constructor(options: EngineOptions, startUs: number) {
    const { plan, worker, operations } = options;
    super(
      options,
      operations.map(({ name }) => name),
      startUs,
    );
    this.deadlines = new Deadlines<Connection>(nowUs, (connection, now) =>
      this.timedOut(connection, now),
    );
    this.pool = new ConnectionPool(options.endpoint);
    const weights = (plan.scenario?.operations ?? [{ weight: 1 }]).map(({ weight }) => weight);
    this.pick = operationPicker(weights, plan.seed);
    this.items = new ItemKeeper(operations, options.endpoint, plan.seed, worker);
    this.usesItems = operations.some(({ effect, needs }) => effect !== 'none' || needs.length > 0);
  }

  override interrupt(): void {
    if (this.verifying !== null) this.end();
    else super.interrupt();
  }

  protected issueQueued(now: number): boolean {
    return this.sendQueued(now, null);
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

  protected startUsers(): void {
    for (let i = 0; i < this.options.connections; i++) this.nextOfUser(null, nowUs());
  }

  private nextOfUser(connection: Connection | null, now: number): void {
    if (!this.issuing || now >= this.endUs) {
      if (connection) this.pool.drop(connection);
      return;
    }
    this.dispatch(connection, this.takeIndex(), now, now, now);
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
    this.record(connection, now, error);
    if (parser.keepAliveSeconds >= 0) {
      // a second early, so as not to meet the server's close on the way
      connection.usableUntilUs = now + Math.max(0, parser.keepAliveSeconds - 1) * 1e6;
    }
    this.inFlight--;
    this.deadlines.cancel(connection);
    if (parser.keepAlive && !compiled.closes) {
      connection.idle();
      this.continueWith(connection);
    } else {
      this.pool.drop(connection);
      this.continueWith(null);
    }
  }

  private record(connection: Connection, now: number, error: string | null): void {
    const { recorder, totals, measureUs, endUs } = this;
    recordDone(recorder, totals, connection, { now, measureUs, endUs, error });
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
    this.record(connection, now, error);
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

  protected hasOpen(): boolean {
    return this.inFlight > 0;
  }

  protected censorOpen(now: number): void {
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
  }

  protected conclude(): void {
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
