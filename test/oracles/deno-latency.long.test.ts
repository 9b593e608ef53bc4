/** The same oracles with the load on Deno: latencies, transports and workers. See deno.long.test.ts. */
import { test } from 'node:test';
import { runtimeBinary } from '../contract/server.ts';

process.env['SCRATCHPAD_ORACLES_ON'] = 'deno'; // read by harness.ts
const deno = runtimeBinary('deno');

if (deno.skip) test('the oracles of latency on Deno', { skip: deno.skip }, () => {});
else {
  await import('./latency.test.ts');
  await import('./transport.test.ts');
  await import('./workers.test.ts');
}
