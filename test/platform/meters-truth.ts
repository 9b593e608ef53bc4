/**
 * One run of the known consumer under one meter: what it used by its own account beside what the
 * meter says. The same for every target.
 */
import type { Meter } from '../../cli/meters/meter.ts';
import { isUnavailable, type Measured } from '../../cli/record/measured.ts';

export const TOUCH_BYTES = 200_000_000;
export const BURN_MS = 2_000;
export const WRITE_BYTES = 100_000_000;
export const SEND_BYTES = 50_000_000;

export interface Truth {
  /** Figures by the meter; `own`: the consumer's. */
  touched: { workingSet: Measured<number>; unreclaimable: Measured<number>; pss: Measured<number> };
  guestTouched: Measured<number>;
  burned: { total: Measured<number>; userAndSystem: Measured<number>; own: number };
  writtenSynced: Measured<number>;
  writtenBuffered: Measured<number>;
  sent: Measured<number>;
  received: Measured<number>;
  /** CPU of one reading, mean of several. */
  readCostMs: number;
}

/** `url`: the consumer's. Takes 3 to 5 s of CPU in all. */
export async function measureTruth(url: string, meter: Meter): Promise<Truth> {
  const ask = async (path: string, body?: Uint8Array<ArrayBuffer>) => {
    const response = await fetch(new URL(path, url), {
      ...(body ? { method: 'POST', body } : {}),
      signal: AbortSignal.timeout(120_000),
    });
    return response;
  };
  const told = async (path: string) =>
    (await (await ask(path)).json()) as { cpuMs: number; received: number };
  const expensive = { expensive: true };

  // Once through everything small, so that no first-time cost falls into a measurement.
  for (const path of ['touch?bytes=1000000', 'burn?ms=50', 'send?bytes=1000000'])
    await (await ask(path)).arrayBuffer();
  await told('write?bytes=1000000&sync=1');
  await told('free');

  const beforeTouch = await meter.read(expensive);
  await told(`touch?bytes=${TOUCH_BYTES}`);
  await guestReport(meter);
  const afterTouch = await meter.read(expensive);
  await told('free');

  const beforeBurn = await meter.read();
  const { cpuMs: own } = await told(`burn?ms=${BURN_MS}`);
  const afterBurn = await meter.read();

  await meter.settle?.();
  const beforeWrite = await meter.read();
  await told(`write?bytes=${WRITE_BYTES}&sync=1`);
  const afterSynced = await meter.read();
  await meter.settle?.();
  const beforeBuffered = await meter.read();
  await told(`write?bytes=${WRITE_BYTES}&sync=0`);
  await meter.settle?.();
  const afterBuffered = await meter.read();
  await told('unlink');

  const beforeSend = await meter.read(expensive);
  await (await ask(`send?bytes=${SEND_BYTES}`)).arrayBuffer();
  const afterSend = await meter.read(expensive);
  await (await ask('receive', new Uint8Array(SEND_BYTES))).json();
  const afterReceive = await meter.read(expensive);

  // A source that answers once a second makes for few readings.
  const reads = meter.minIntervalMs === undefined ? 20 : 2;
  let costMs = 0;
  for (let i = 0; i < reads; i++) costMs += (await meter.read()).cost?.cpuMs ?? Number.NaN;

  return {
    touched: {
      workingSet: rise(beforeTouch.memory.workingSetBytes, afterTouch.memory.workingSetBytes),
      unreclaimable: rise(
        beforeTouch.memory.unreclaimableBytes,
        afterTouch.memory.unreclaimableBytes,
      ),
      pss: rise(beforeTouch.memory.pssBytes, afterTouch.memory.pssBytes),
    },
    guestTouched: rise(beforeTouch.memory.guestUsedBytes, afterTouch.memory.guestUsedBytes),
    burned: {
      total: rise(beforeBurn.cpu.totalMs, afterBurn.cpu.totalMs),
      userAndSystem: rise(
        sum(beforeBurn.cpu.userMs, beforeBurn.cpu.systemMs),
        sum(afterBurn.cpu.userMs, afterBurn.cpu.systemMs),
      ),
      own,
    },
    writtenSynced: rise(beforeWrite.disk.writtenBytes, afterSynced.disk.writtenBytes),
    writtenBuffered: rise(beforeBuffered.disk.writtenBytes, afterBuffered.disk.writtenBytes),
    sent: rise(beforeSend.network.sentBytes, afterSend.network.sentBytes),
    received: rise(afterSend.network.receivedBytes, afterReceive.network.receivedBytes),
    readCostMs: costMs / reads,
  };
}

/** The guest's balloon driver reports once a second: wait until two reports have come. */
async function guestReport(meter: Meter): Promise<void> {
  const { memory } = await meter.read();
  if (isUnavailable(memory.guestUsedBytes)) return;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
}

function rise(before: Measured<number>, after: Measured<number>): Measured<number> {
  if (isUnavailable(before)) return before;
  return isUnavailable(after) ? after : after - before;
}

function sum(a: Measured<number>, b: Measured<number>): Measured<number> {
  if (isUnavailable(a)) return a;
  return isUnavailable(b) ? b : a + b;
}
