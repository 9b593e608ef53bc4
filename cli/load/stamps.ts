/** From the stamps of a request to the histograms: when it is done, and when it never was. */
import type { Connection } from './connection.ts';
import type { Recorder } from './recorder.ts';
import type { EngineTotals } from './totals.ts';

/** The request on `connection` was answered (`error` null) or has failed, at `now`. */
export function recordDone(
  recorder: Recorder,
  totals: EngineTotals,
  connection: Connection,
  {
    now,
    measureUs,
    endUs,
    error,
  }: { now: number; measureUs: number; endUs: number; error: string | null },
): void {
  const { parser, kind } = connection;
  if (kind === 'verify') return;
  recorder.rollTo(now);
  if (error === null && now >= measureUs && now <= endUs) totals.answeredInWindow++;
  const responseUs = now - connection.intendedUs;
  if (kind === 'warm') {
    recorder.warmDone(responseUs, error === null);
    return;
  }
  if (error === null) {
    totals.answered++;
    recorder.answered(connection.operation, responseUs, parser.status);
    if (now <= endUs) {
      totals.answeredInTime++;
      totals.bytesInTime += parser.bytes;
    }
  } else {
    totals.failed++;
    recorder.failed(connection.operation, responseUs, error, parser.status);
  }
  if (connection.isFresh) recorder.get('fresh').record(responseUs);
  if (connection.sentUs === 0) return;
  recorder.bytesReceived += parser.bytes;
  const serviceUs = now - connection.sentUs;
  if (parser.done && !connection.inPieces) {
    recorder.whole.record(serviceUs);
    return;
  }
  recorder.get('service').record(serviceUs);
  const { firstByteUs } = connection;
  if (firstByteUs === 0) return;
  recorder.get('ttfb').record(firstByteUs - connection.sentUs);
  recorder.get('body').record(now - firstByteUs);
}

/** The run is over and the request on `connection` still open: it took *at least* until `now`. */
export function recordOpen(
  recorder: Recorder,
  totals: EngineTotals,
  connection: Connection,
  now: number,
): void {
  totals.open++;
  const { intendedUs, takenUs, sentUs, firstByteUs } = connection;
  recorder.get('openResponse').recordCensored(now - intendedUs);
  if (connection.isFresh) recorder.get('openFresh').recordCensored(now - intendedUs);
  if (sentUs === 0) {
    recorder.get('wait').recordCensored(now - takenUs);
    return;
  }
  recorder.get('service').recordCensored(now - sentUs);
  if (firstByteUs === 0) recorder.get('ttfb').recordCensored(now - sentUs);
  else {
    recorder.get('ttfb').record(firstByteUs - sentUs);
    recorder.get('body').recordCensored(now - firstByteUs);
  }
}

/** The run is over and a request was never sent. */
export function recordUnsent(
  recorder: Recorder,
  totals: EngineTotals,
  { intendedUs, wasTaken }: { intendedUs: number; wasTaken: boolean },
  now: number,
): void {
  totals.unsent++;
  recorder.get('unsent').recordCensored(now - intendedUs);
  // a queued one waited for a connection; one that was not even taken up is the generator's lag
  if (wasTaken) recorder.get('wait').recordCensored(now - intendedUs);
  else recorder.lag.recordCensored(now - intendedUs);
}
