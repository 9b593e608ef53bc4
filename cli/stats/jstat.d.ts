/** The two functions of jstat that are used here; the package ships no types. */
declare module 'jstat' {
  const jStat: {
    studentt: {
      /** P(T ≤ x) for `degreesOfFreedom`. */
      cdf(x: number, degreesOfFreedom: number): number;
      /** The x with P(T ≤ x) = p. */
      inv(p: number, degreesOfFreedom: number): number;
    };
  };
  export default jStat;
}
