/**
 * The items (created posts) of one worker, and the checks that ride on them. Each item belongs to a
 * virtual user, is used by one request at a time, and so it is known what the server has
 * acknowledged about it: that makes "readable after the acknowledgement, gone after the delete"
 * checkable under full concurrency.
 */
import type { Connection } from './connection.ts';
import { hash } from './random.ts';
import { type CompiledOperation, capture, type Endpoint } from './request.ts';

export interface VirtualUser {
  variables: Map<string, string>;
}

/** What one request set and expects, and what its response brought. */
export interface FollowUp {
  set: Map<string, string>;
  expectedBody: string;
  headers: Map<string, string>;
  chunks: Buffer[];
  bodyBytes: number;
}

/** Deleted items that are kept to be asked for again; the newest replace the oldest. */
const TOMBSTONES = 1024;
/** Bound on what is checked after the run, per worker; the rest is reported as unverified. */
const VERIFY_MAX_ITEMS = 5000;
/** Body bytes kept for checks and captures. */
const MAX_KEPT_BODY = 1 << 20;

export class ItemKeeper {
  /** Not in use now, and holding an acknowledged item. */
  private readonly live: VirtualUser[] = [];
  private readonly deleted: VirtualUser[] = [];
  /** Requests that ran the create operation because no item was there for theirs. */
  substituted = 0;
  unverified = 0;
  private nextTombstone = 0;
  private acknowledged = 0;
  private verified = 0;
  private lost = 0;
  /** UTF-8 bytes of what acknowledged creates and updates of the measured time set. */
  postBytes = 0;
  private readonly details: string[] = [];
  private readonly operations: readonly CompiledOperation[];
  private readonly endpoint: Endpoint;
  private readonly seed: number;
  private readonly drawSeed: number;
  private readonly createOperation: number;

  constructor(
    operations: readonly CompiledOperation[],
    endpoint: Endpoint,
    seed: number,
    worker: number,
  ) {
    this.operations = operations;
    this.endpoint = endpoint;
    this.seed = seed;
    this.drawSeed = seed + worker;
    this.createOperation = operations.findIndex(({ effect }) => effect === 'create');
  }

  /** Give the request on `connection` its item; without one to be had it becomes a create. */
  assign(connection: Connection): void {
    const { effect, needsItem } = this.operations[connection.operation]!;
    connection.user = null;
    if (needsItem) {
      const { index } = connection;
      connection.user = effect === 'gone' ? this.drawDeleted(index) : this.takeLive(index);
      if (connection.user !== null) return;
      this.substituted++;
      connection.operation = this.createOperation;
    }
    if (this.operations[connection.operation]!.effect === 'create') {
      connection.user = { variables: new Map() };
    }
  }

  private takeLive(index: number): VirtualUser | null {
    const { live } = this;
    if (live.length === 0) return null;
    const at = hash(this.drawSeed ^ 0x1d, index) % live.length;
    const taken = live[at]!;
    live[at] = live[live.length - 1]!;
    live.pop();
    return taken;
  }

  /** It stays where it is: any number of requests may find that it is gone. */
  private drawDeleted(index: number): VirtualUser | null {
    if (this.deleted.length === 0) return null;
    return this.deleted[hash(this.drawSeed ^ 0x2e, index) % this.deleted.length]!;
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
        header: (name: string, value: string) => void followUp.headers.set(name, value),
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
      if (effect === 'none' && kind !== 'verify') this.live.push(user);
    } else if (error === null) {
      this.acknowledged++;
      if (effect === 'delete') this.bury(user);
      else this.live.push(user);
    }
    // An unanswered write may have happened or not: nothing is claimed about that item any more.
  }

  private bury(user: VirtualUser): void {
    if (this.deleted.length < TOMBSTONES) this.deleted.push(user);
    else {
      this.deleted[this.nextTombstone] = user;
      this.nextTombstone = (this.nextTombstone + 1) % TOMBSTONES;
    }
  }

  /** What is to be checked after the run: live items are there, deleted ones are gone. */
  toVerify(verify: { live: number; gone: number | null }): Array<[number, VirtualUser]> {
    const jobs: Array<[operation: number, user: VirtualUser]> = this.live.map((user) => [
      verify.live,
      user,
    ]);
    if (verify.gone !== null) for (const user of this.deleted) jobs.push([verify.gone, user]);
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
