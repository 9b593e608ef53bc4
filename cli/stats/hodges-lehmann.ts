/**
 * The Hodges–Lehmann estimate: the median of all pairwise (Walsh) averages. On paired differences
 * it is the shift that the signed-rank test rejects least; it keeps 95 % of the mean's efficiency
 * on normal noise and is far better on heavy tails.
 *
 * @see J. L. Hodges, E. L. Lehmann, Estimates of location based on rank tests, Annals of
 *   Mathematical Statistics 34 (1963) 598–611.
 */
import { medianSorted } from 'simple-statistics';

/** The n(n+1)/2 averages (d_i + d_j)/2 with i ≤ j, ascending. */
export function walshAverages(differences: readonly number[]): Float64Array {
  const n = differences.length;
  const averages = new Float64Array((n * (n + 1)) / 2);
  let next = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) averages[next++] = (differences[i]! + differences[j]!) / 2;
  }
  return averages.sort();
}

/** @throws RangeError for an empty sample. */
export function hodgesLehmann(differences: readonly number[]): number {
  if (differences.length === 0) throw new RangeError('Hodges–Lehmann needs at least one value');
  return medianSorted(Array.from(walshAverages(differences)));
}
