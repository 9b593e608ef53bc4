/**
 * A meter is put together from parts: one each for memory, CPU, disk and network, read from
 * wherever this target's figures are. What a part can't have is unavailable with the reason; a
 * part never throws.
 */
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import { type CounterFile, whyUnreadable } from './counter-file.ts';
import type { MeterReading } from './meter.ts';

export type MemoryFigures = Omit<MeterReading['memory'], 'guestUsedBytes' | 'helperBytes'>;
export type CpuFigures = MeterReading['cpu'] & {
  /** MeterReading.cpuStepMs, without the helpers. */
  stepMs?: number;
};
export type DiskFigures = MeterReading['disk'];
export type NetworkFigures = MeterReading['network'];

export interface ReadOptions {
  expensive: boolean;
}

export interface Part<Figures> {
  /** Where it reads, for the record, e.g. `cgroup v1 /sys/fs/cgroup/cpuacct/…`. */
  readonly source: string;
  read(options: ReadOptions): Figures | Promise<Figures>;
  close(): void;
}

/** `parse(content)`, or why there is none. */
export function fromFile<T>(file: CounterFile, parse: (text: string) => T): Measured<T> {
  try {
    return parse(file.read());
  } catch (error) {
    return unavailable(whyUnreadable(error, file.path));
  }
}

/** A figure of a group that was read whole, or the group's reason. */
export function pick<T, V>(
  group: Measured<T>,
  of: (value: T) => V | undefined,
  why = '',
): Measured<V> {
  if (isUnavailable(group)) return group;
  return of(group as T) ?? unavailable(why);
}

/** a + b; unavailable where either is. */
export function add(a: Measured<number>, b: Measured<number>): Measured<number> {
  if (isUnavailable(a)) return a;
  return isUnavailable(b) ? b : a + b;
}

export const NO_DISK = (reason: string): Part<DiskFigures> => {
  const why = unavailable(reason);
  return {
    source: `none: ${reason}`,
    read: () => ({ readBytes: why, writtenBytes: why, readOps: why, writeOps: why }),
    close: () => {},
  };
};

/**
 * A counter that is summed over processes can only fall when one of them ends outside of its
 * parent's sight; what it had used stays used. So the highest sum that was seen is kept.
 */
export class RisingSum {
  #highest = 0;
  next(value: number): number {
    this.#highest = Math.max(this.#highest, value);
    return this.#highest;
  }
}
