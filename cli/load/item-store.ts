/**
 * The items of one worker that are known to be there, and those known to be gone. The names of an
 * item's variables are its kind: an operation gets only items that hold all that it needs, so that the
 * request for a comment never gets a post. Bounded in memory, whatever the run creates. Pure.
 */
import { hash } from './random.ts';

export interface VirtualUser {
  variables: Map<string, string>;
  /** The store's: of the names at the time it was last kept. */
  kind: Kind | null;
}

interface Kind {
  names: ReadonlySet<string>;
  /** Not in use now. */
  live: VirtualUser[];
  deleted: VirtualUser[];
  nextTombstone: number;
}

/** Live items of a kind that are remembered; a further one takes the place of another. */
export const MAX_LIVE = 10_000;
/** Deleted items that are kept to be asked for again; the newest replace the oldest. */
export const TOMBSTONES = 1024;

export function newUser(): VirtualUser {
  return { variables: new Map(), kind: null };
}

export class ItemStore {
  /** Live items that had to make room: nothing is claimed about them any more. */
  forgotten = 0;
  private readonly kinds: Kind[] = [];
  private readonly needs: ReadonlyArray<readonly string[]>;
  /** By operation: the kinds that it can use. */
  private usable: Kind[][];
  private readonly seed: number;

  /** `needs`: by operation, the variables that its item must have. */
  constructor(needs: ReadonlyArray<readonly string[]>, seed: number) {
    this.needs = needs;
    this.usable = needs.map(() => []);
    this.seed = seed;
  }

  /** An item for request `index`, out of the store until it is kept again; null: there is none. */
  takeLive(operation: number, index: number): VirtualUser | null {
    const kinds = this.usable[operation]!;
    const total = kinds.reduce((sum, { live }) => sum + live.length, 0);
    let at = total === 0 ? 0 : hash(this.seed ^ 0x1d, index) % total;
    for (const { live } of kinds) {
      if (at >= live.length) {
        at -= live.length;
        continue;
      }
      const taken = live[at]!;
      live[at] = live[live.length - 1]!;
      live.pop();
      return taken;
    }
    return null;
  }

  /** It stays where it is: any number of requests may find that it is gone. */
  drawDeleted(operation: number, index: number): VirtualUser | null {
    const kinds = this.usable[operation]!;
    const total = kinds.reduce((sum, { deleted }) => sum + deleted.length, 0);
    let at = total === 0 ? 0 : hash(this.seed ^ 0x2e, index) % total;
    for (const { deleted } of kinds) {
      if (at < deleted.length) return deleted[at]!;
      at -= deleted.length;
    }
    return null;
  }

  keep(user: VirtualUser): void {
    const { live } = this.kindOf(user);
    if (live.length < MAX_LIVE) live.push(user);
    else live[hash(this.seed ^ 0x4c, this.forgotten++) % MAX_LIVE] = user;
  }

  bury(user: VirtualUser): void {
    const kind = this.kindOf(user);
    if (kind.deleted.length < TOMBSTONES) kind.deleted.push(user);
    else {
      kind.deleted[kind.nextTombstone] = user;
      kind.nextTombstone = (kind.nextTombstone + 1) % TOMBSTONES;
    }
  }

  /** All that `operation` could be asked of. */
  liveFor(operation: number): VirtualUser[] {
    return this.usable[operation]!.flatMap(({ live }) => live);
  }

  deletedFor(operation: number): VirtualUser[] {
    return this.usable[operation]!.flatMap(({ deleted }) => deleted);
  }

  get liveCount(): number {
    return this.kinds.reduce((sum, { live }) => sum + live.length, 0);
  }

  private kindOf(user: VirtualUser): Kind {
    const { variables } = user;
    // variables are only ever added
    if (user.kind?.names.size === variables.size) return user.kind;
    let kind = this.kinds.find(
      ({ names }) =>
        names.size === variables.size && [...names].every((name) => variables.has(name)),
    );
    if (kind === undefined) {
      kind = { names: new Set(variables.keys()), live: [], deleted: [], nextTombstone: 0 };
      this.kinds.push(kind);
      this.usable = this.needs.map((needed) =>
        this.kinds.filter(({ names }) => needed.every((name) => names.has(name))),
      );
    }
    user.kind = kind;
    return kind;
  }
}
