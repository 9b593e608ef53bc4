/**
 * Seeded randomness of the plan. `hash(seed, i)` gives request i its number without a sequence, so
 * that any worker can plan any request; `Random` is a sequence, for Poisson gaps. Pure.
 */

/** A uniform 32-bit integer from (seed, index): murmur3's finaliser over both. */
export function hash(seed: number, index: number): number {
  let h = Math.imul((seed | 0) ^ 0x9e3779b9, 0x85ebca6b) ^ (index | 0);
  h ^= Math.floor(index / 0x1_0000_0000);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A sequence of uniform numbers in (0, 1): splitmix32. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = hash(seed, 0x5eed);
  }

  next(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (((z ^ (z >>> 15)) >>> 0) + 0.5) / 0x1_0000_0000;
  }
}
