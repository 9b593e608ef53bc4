/** Counters of a whole run: of one worker, and their sum. Pure. */
import type { LoadMeasurement } from './types.ts';

/** Measured requests only, except where it says so. */
export interface EngineTotals {
  planned: number;
  sent: number;
  unsent: number;
  answered: number;
  failed: number;
  open: number;
  warmupSent: number;
  /** All kinds. */
  sentOnWire: number;
  verifySent: number;
  /** Taken up by the generator before the end of the measured time. */
  takenInTime: number;
  /** Answered before the end of the measured time, and their bytes. */
  answeredInTime: number;
  bytesInTime: number;
  /** Answered within the measured time, those of the warm-up included. */
  answeredInWindow: number;
  /** Requests that had to queue for a connection. */
  queued: number;
  connectionsOpened: number;
  /** Closed or reset by the server before any byte of a response, on a reused connection. */
  resetOnReuse: number;
  /** Idle connections that brought bytes which nobody had asked for. */
  unsolicited: number;
  /** Scenario requests that ran the create operation because no item was there. */
  substituted: number;
  /** Of accepted posts: see ItemKeeper. */
  postBytes: number;
  spinUs: number;
  elapsedUs: number;
  integrity: NonNullable<LoadMeasurement['integrity']> | null;
}

export function newTotals(): EngineTotals {
  return {
    planned: 0,
    sent: 0,
    unsent: 0,
    answered: 0,
    failed: 0,
    open: 0,
    warmupSent: 0,
    sentOnWire: 0,
    verifySent: 0,
    takenInTime: 0,
    answeredInTime: 0,
    bytesInTime: 0,
    answeredInWindow: 0,
    queued: 0,
    connectionsOpened: 0,
    resetOnReuse: 0,
    unsolicited: 0,
    substituted: 0,
    postBytes: 0,
    spinUs: 0,
    elapsedUs: 0,
    integrity: null,
  };
}

/** All workers together; elapsed is that of the longest. */
export function sumTotals(all: readonly EngineTotals[]): EngineTotals {
  const sum = newTotals();
  for (const totals of all) {
    for (const key of Object.keys(totals) as Array<keyof EngineTotals>) {
      if (key === 'integrity') continue;
      sum[key] = key === 'elapsedUs' ? Math.max(sum[key], totals[key]) : sum[key] + totals[key];
    }
    const { integrity } = totals;
    if (integrity === null) continue;
    sum.integrity ??= { acknowledged: 0, verified: 0, lost: 0, details: [] };
    sum.integrity.acknowledged += integrity.acknowledged;
    sum.integrity.verified += integrity.verified;
    sum.integrity.lost += integrity.lost;
    sum.integrity.details.push(...integrity.details);
  }
  return sum;
}

/** Answered within the measured time; all that were answered, where that was not counted apart. */
export function answeredInWindow(
  counts: Pick<LoadMeasurement['counts'], 'answered' | 'answeredInWindow'>,
): number {
  return counts.answeredInWindow ?? counts.answered;
}

/** The record's counts. */
export function countsOf(totals: EngineTotals): LoadMeasurement['counts'] {
  const { planned, sent, unsent, answered, failed, open } = totals;
  const { warmupSent, sentOnWire, verifySent, answeredInWindow } = totals;
  return {
    planned,
    sent,
    unsent,
    answered,
    failed,
    open,
    warmupSent,
    sentOnWire,
    verifySent,
    answeredInWindow,
  };
}
