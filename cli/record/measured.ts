/** A figure that could not be had: the reason stands where the number would. Never a default. */
export interface Unavailable {
  unavailable: string;
}

/** A measured value, or the reason why there is none. */
export type Measured<T> = T | Unavailable;

export function unavailable(reason: string): Unavailable {
  return { unavailable: reason };
}

export function isUnavailable(value: unknown): value is Unavailable {
  return typeof value === 'object' && value !== null && 'unavailable' in value;
}

/** f of all, or the first reason. */
export function combine(
  values: ReadonlyArray<Measured<number>>,
  f: (...numbers: number[]) => number,
): Measured<number> {
  const missing = values.find((value) => isUnavailable(value));
  return missing ?? f(...(values as number[]));
}

/** The value, or undefined where it is unavailable. */
export function measuredValue<T>(value: Measured<T>): T | undefined {
  return isUnavailable(value) ? undefined : (value as T);
}
