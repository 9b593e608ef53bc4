/**
 * The same oracles with the load on Deno: framing, failures, and what is checked under load. Those of latency
 * are in deno-latency.long.test.ts.
 */
import { test } from 'node:test';
import { runtimeBinary } from '../contract/server.ts';

process.env['SCRATCHPAD_ORACLES_ON'] = 'deno'; // read by harness.ts
const deno = runtimeBinary('deno');

if (deno.skip) test('the oracles on Deno', { skip: deno.skip }, () => {});
else {
  await import('./protocol.test.ts');
  await import('./failure.test.ts');
  await import('./integrity.test.ts');
}
