/** Which creating operation gives an operation the item that it needs. Pure. */

/** What an operation does to the item of its virtual user. */
export type Effect = 'none' | 'create' | 'update' | 'delete' | 'gone';

export interface ItemUse {
  effect: Effect;
  /** Variables that its item must have. */
  needs: readonly string[];
  /** Variables that its success adds to the item. */
  provides: readonly string[];
}

/**
 * By operation: the index of the create after which an item has all that the operation needs, −1 where it
 * needs none, null where no create can give it. A create may need an item itself (a comment needs its
 * post); following the indices from any operation ends at a create that needs nothing.
 */
export function creatorsOf(operations: readonly ItemUse[]): Array<number | null> {
  /** By create: what an item has after it. Those that can be run come in, until no more do. */
  const holds = new Map<number, ReadonlySet<string>>();
  const creatorOf = ({ needs }: ItemUse): number | null => {
    if (needs.length === 0) return -1;
    for (const [create, names] of holds) {
      if (needs.every((name) => names.has(name))) return create;
    }
    return null;
  };
  for (let before = -1; before < holds.size; ) {
    before = holds.size;
    for (const [at, operation] of operations.entries()) {
      if (operation.effect !== 'create' || holds.has(at)) continue;
      const creator = creatorOf(operation);
      if (creator === null) continue;
      holds.set(at, new Set([...operation.provides, ...(holds.get(creator) ?? [])]));
    }
  }
  return operations.map(creatorOf);
}
