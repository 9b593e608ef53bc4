/**
 * Holm's step-down correction: with the adjusted values, rejecting below α keeps the chance of even
 * one false "differs" in the whole family under α, whatever the dependence between the tests.
 *
 * @see S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
 *   Statistics 6 (1979) 65–70.
 */

/** Adjusted p-values in the order given. */
export function holm(pValues: readonly number[]): number[] {
  const ascending = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(pValues.length);
  let highest = 0;
  ascending.forEach(({ p, index }, rank) => {
    highest = Math.max(highest, Math.min(1, (pValues.length - rank) * p));
    adjusted[index] = highest;
  });
  return adjusted;
}
