/**
 * Wilcoxon's signed-rank test and the interval that belongs to it, both exact: no normal
 * approximation at any n, because benches have 6 to 20 rounds.
 *
 * @see M. Hollander, D. A. Wolfe, E. Chicken, Nonparametric Statistical Methods, 3rd ed. (2014),
 *   sections 3.1 (test) and 3.3 (interval from the sorted Walsh averages, after Tukey 1949).
 */
import { walshAverages } from './hodges-lehmann.ts';

const nullDistributions = new Map<number, Float64Array>();

/** P(W⁺ = w) for w = 0 … n(n+1)/2 under the null, without ties. Memoised; costs O(n³) once per n. */
export function signedRankDistribution(n: number): Float64Array {
  let distribution = nullDistributions.get(n);
  if (distribution === undefined) {
    distribution = subsetSums(Array.from({ length: n }, (_, i) => i + 1));
    nullDistributions.set(n, distribution);
  }
  return distribution;
}

/** Distribution of the sum over a random subset: each whole number is in it with probability ½. */
function subsetSums(weights: readonly number[]): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const probability = new Float64Array(total + 1);
  probability[0] = 1;
  let reached = 0;
  for (const weight of weights) {
    reached += weight;
    for (let sum = reached; sum >= 0; sum--) {
      const without = probability[sum]!;
      const withIt = sum >= weight ? probability[sum - weight]! : 0;
      probability[sum] = (without + withIt) / 2;
    }
  }
  return probability;
}

export interface SignedRankTest {
  /** Sum of the ranks of the positive differences, average ranks for ties. */
  statistic: number;
  /** How many differences were not zero. */
  n: number;
  /** P(W⁺ ≤ statistic) and P(W⁺ ≥ statistic). */
  pLess: number;
  pGreater: number;
  pTwoSided: number;
}

/**
 * Is the centre of `differences` zero? Zero differences are dropped (Wilcoxon's rule); with tied
 * magnitudes the distribution is computed for the average ranks that occurred, so it stays exact.
 */
export function signedRankTest(differences: readonly number[]): SignedRankTest {
  const used = differences
    .filter((difference) => difference !== 0)
    .sort((a, b) => Math.abs(a) - Math.abs(b));
  const n = used.length;
  // ranks doubled, so that the average rank of two ties is a whole number as well
  const doubledRanks: number[] = [];
  for (let from = 0; from < n; ) {
    let to = from;
    while (to < n && Math.abs(used[to]!) === Math.abs(used[from]!)) to++;
    for (let i = from; i < to; i++) doubledRanks.push(from + to + 1);
    from = to;
  }
  const doubled = doubledRanks.reduce((sum, rank, i) => (used[i]! > 0 ? sum + rank : sum), 0);
  const ties = doubledRanks.some((rank, i) => rank !== 2 * (i + 1));
  const distribution = ties ? subsetSums(doubledRanks) : signedRankDistribution(n);
  const at = ties ? doubled : doubled / 2;
  let below = 0;
  let above = 0;
  distribution.forEach((probability, sum) => {
    if (sum <= at) below += probability;
    if (sum >= at) above += probability;
  });
  const pLess = Math.min(1, below);
  const pGreater = Math.min(1, above);
  return {
    statistic: doubled / 2,
    n,
    pLess,
    pGreater,
    pTwoSided: Math.min(1, 2 * Math.min(pLess, pGreater)),
  };
}

export interface SignedRankInterval {
  lower: number;
  upper: number;
  /** The confidence really held: at least the one asked for, e.g. 0.969 for 0.95 at n = 6. */
  confidence: number;
  /** The k of [W_k, W_{M+1−k}]. */
  k: number;
}

/**
 * The largest k with 2·P(W⁺ ≤ k − 1) ≤ 1 − confidence, or 0 where no interval holds it: 6 values
 * are needed for 95 %, 5 for 90 %.
 */
export function signedRankOrder(n: number, confidence: number): { k: number; confidence: number } {
  const distribution = signedRankDistribution(n);
  let tail = 0;
  let k = 0;
  let held = 0;
  for (const probability of distribution) {
    tail += probability;
    // a hair of slack: 2·P can be equal to α on paper and above it by rounding
    if (2 * tail > 1 - confidence + 1e-12) break;
    k += 1;
    held = 1 - 2 * tail;
  }
  return { k, confidence: held };
}

/** Exact interval for the centre of symmetry; null where n is too small for `confidence`. */
export function signedRankInterval(
  differences: readonly number[],
  confidence: number,
): SignedRankInterval | null {
  const order = signedRankOrder(differences.length, confidence);
  if (order.k === 0) return null;
  const averages = walshAverages(differences);
  return {
    lower: averages[order.k - 1]!,
    upper: averages[averages.length - order.k]!,
    confidence: order.confidence,
    k: order.k,
  };
}
