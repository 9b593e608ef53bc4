/**
 * Seeded pseudo-random numbers: sfc32 (Chris Doty-Humphrey, PractRand), its 128-bit state filled
 * from one seed by splitmix32. The same seed gives the same numbers on every machine, which is what
 * lets a schedule or a simulation be repeated from its record. Not for secrets.
 */
export type RandomSource = () => number;

/** Uniform numbers in [0, 1) with 32 bits of resolution. `seed` is taken modulo 2³². */
export function randomSource(seed: number): RandomSource {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed must be an integer, not ${seed}`);
  const mix = splitmix32(seed);
  let a = mix();
  let b = mix();
  let c = mix();
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  // the author's advice: let the state mix before the first number is used
  for (let i = 0; i < 15; i++) next();
  return next;
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) | 0;
  };
}

/** A standard normal number (Box–Muller, one of the pair). */
export function normal(random: RandomSource): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}
