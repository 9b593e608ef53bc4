/**
 * The items (created posts) of one worker, and the checks that ride on them. Each item belongs to a
 * virtual user, is used by one request at a time, and so it is known what the server has
 * acknowledged about it: that makes "readable after the acknowledgement, gone after the delete"
 * checkable under full concurrency.
 */
import type { Connection } from './connection.ts';
import { creatorsOf } from './creators.ts';
import { ItemStore, newUser, type VirtualUser } from './item-store.ts';
import { hash } from './random.ts';
import { type CompiledOperation, capture, type Endpoint } from './request.ts';

/** What one request set and expects, and what its response brought. */
export interface FollowUp {
  set: Map<string, string>;
  expectedBody: string;
  headers: Map<string, string>;
  chunks: Buffer[];
  bodyBytes: number;
}

/** Bound on what is checked after the run, per worker; the rest is reported as unverified. */
const VERIFY_MAX_ITEMS = 5000;
/** Body bytes kept for checks and captures. */
const MAX_KEPT_BODY = 1 << 20;

export class ItemKeeper {
  /** Requests that ran the create operation because no item was there for theirs. */
  substituted = 0;
  unverified = 0;
  private acknowledged = 0;
  private verified = 0;
  private lost = 0;
  /** UTF-8 bytes of what acknowledged creates and updates of the measured time set. */
  postBytes = 0;
  private readonly details: string[] = [];
  private readonly operations: readonly CompiledOperation[];
  private readonly endpoint: Endpoint;
  private readonly seed: number;
  private readonly store: ItemStore;
  /** By operation: the create that makes an item for it; see creatorsOf. */
  private readonly creators: Array<number | null>;

  constructor(
    operations: readonly CompiledOperation[],
    endpoint: Endpoint,
    seed: number,
    worker: number,
  ) {
    this.operations = operations;
    this.endpoint = endpoint;
    this.seed = seed;
    this.store = new ItemStore(
      operations.map(({ needs }) => needs),
      seed + worker,
    );
    this.creators = creatorsOf(operations);
  }

  /** Give the request on `connection` its item; without one to be had it becomes a create. */
  assign(connection: Connection): void {
    const { store, operations, creators } = this;
    const { index } = connection;
    let at = connection.operation;
    connection.user = null;
    while (operations[at]!.needs.length > 0) {
      const isGone = operations[at]!.effect === 'gone';
      connection.user = isGone ? store.drawDeleted(at, index) : store.takeLive(at, index);
      if (connection.user !== null) break;
      at = creators[at]!; // never null: parseScenario has refused that
    }
    if (at !== connection.operation) this.substituted++;
    connection.operation = at;
    if (operations[at]!.effect === 'create') connection.user ??= newUser();
  }

  /** The request's bytes; also prepares what its response will be checked against. */
  render(connection: Connection, compiled: CompiledOperation): Buffer {
    const { user, index } = connection;
    const set = new Map<string, string>();
    const lookup = (name: string): string => {
      if (name === 'seq') return String(index);
      if (name === 'random') return String(hash(this.seed ^ 0x3f, index));
      if (name === 'seed') return String(this.seed);
      if (name === 'origin') return this.endpoint.origin;
      // what the operation sets is seen by its own request, and kept when it succeeds
      return set.get(name) ?? user?.variables.get(name) ?? '';
    };
    for (const { name, template } of compiled.set) set.set(name, template.render(lookup));
    const followUp: FollowUp = {
      set,
      expectedBody: compiled.expectBody?.render(lookup) ?? '',
      headers: new Map(),
      chunks: [],
      bodyBytes: 0,
    };
    connection.followUp = followUp;
    connection.parser.sink = {
      ...(compiled.wantsHeaders && {
        header(name: string, value: string) {
          const before = followUp.headers.get(name);
          followUp.headers.set(name, before === undefined ? value : `${before}, ${value}`);
        },
      }),
      ...(compiled.wantsBody && {
        body: (bytes: Uint8Array, start: number, end: number) => {
          if (followUp.bodyBytes >= MAX_KEPT_BODY) return;
          // a copy: the read buffer is shared
          followUp.chunks.push(Buffer.from(bytes.subarray(start, end)));
          followUp.bodyBytes += end - start;
        },
      }),
    };
    return compiled.render(lookup);
  }

  /** The response is complete: check it, capture from it, settle the item. Returns the error. */
  settle(
    connection: Connection,
    compiled: CompiledOperation,
    statusError: string | null,
  ): string | null {
    const { followUp, user } = connection;
    let error = statusError;
    if (error === null && followUp) {
      const body = Buffer.concat(followUp.chunks).toString();
      if (compiled.expectBody !== null && !body.includes(followUp.expectedBody)) {
        error = 'BODY_MISMATCH';
      }
      const found = new Map(followUp.set);
      for (const wanted of error === null ? compiled.captures : []) {
        const value = capture(wanted, followUp.headers, () => body);
        if (value === null) error = 'CHECK_FAILED';
        else found.set(wanted.name, value);
      }
      if (error === null && user) {
        for (const [name, value] of found) user.variables.set(name, value);
        if (connection.kind === 'measured' && writes(compiled)) {
          for (const value of followUp.set.values()) this.postBytes += Buffer.byteLength(value);
        }
      }
    }
    this.abandon(connection, compiled, error);
    return error;
  }

  /** No more is to come for this request; `error` null: it succeeded. */
  abandon(connection: Connection, compiled: CompiledOperation, error: string | null): void {
    const { user, kind } = connection;
    connection.parser.sink = null;
    connection.followUp = null;
    connection.user = null;
    if (user === null) return;
    const { effect } = compiled;
    const isRead = effect === 'none' || effect === 'gone';
    const contradicts =
      effect !== 'create' && error !== null && CONTRADICTIONS[isGone(effect)].has(error);
    if (contradicts) {
      const names = [...user.variables].map(([name, value]) => `${name}=${value}`).join(' ');
      this.lost++;
      if (this.details.length < 10) {
        this.details.push(`${compiled.name}: ${error} (${names.slice(0, 200)})`);
      }
      return; // not asked for again, so that each loss counts once
    }
    if (isRead) {
      if (error === null) this.verified++;
      else if (kind === 'verify') this.unverified++; // no answer says nothing about the item
      if (effect === 'none' && kind !== 'verify') this.store.keep(user);
    } else if (error === null) {
      this.acknowledged++;
      if (effect === 'delete') this.store.bury(user);
      else this.store.keep(user);
    }
    // An unanswered write may have happened or not: nothing is claimed about that item any more.
  }

  /** What is to be checked after the run: live items are there, deleted ones are gone. */
  toVerify(verify: { live: number; gone: number | null }): Array<[number, VirtualUser]> {
    const { store } = this;
    const live = store.liveFor(verify.live);
    const gone = verify.gone === null ? [] : store.deletedFor(verify.gone);
    const jobs = [
      ...live.map((user): [number, VirtualUser] => [verify.live, user]),
      ...gone.map((user): [number, VirtualUser] => [verify.gone!, user]),
    ];
    // forgotten, of a kind that `verify.live` cannot read, or too many
    this.unverified += store.forgotten + store.liveCount - live.length;
    this.unverified += Math.max(0, jobs.length - VERIFY_MAX_ITEMS);
    return jobs.slice(0, VERIFY_MAX_ITEMS);
  }

  integrity(): { acknowledged: number; verified: number; lost: number; details: string[] } {
    const { acknowledged, verified, lost } = this;
    const details = [...this.details];
    if (this.unverified > 0) details.push(`${this.unverified} items could not be verified`);
    return { acknowledged, verified, lost, details };
  }
}

/** Errors that say an acknowledged write does not hold, for a live item and for a deleted one. */
const CONTRADICTIONS = {
  live: new Set(['HTTP_404', 'HTTP_410', 'BODY_MISMATCH', 'CHECK_FAILED']),
  gone: new Set(['CHECK_FAILED', 'BODY_MISMATCH']),
};

function writes({ effect }: CompiledOperation): boolean {
  return effect === 'create' || effect === 'update';
}

function isGone(effect: string): 'live' | 'gone' {
  return effect === 'gone' ? 'gone' : 'live';
}
