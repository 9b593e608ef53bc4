/**
 * Two workers beside one: `tsx test/bench/load/workers.ts [--rounds 5] [--seconds 5]`. A closed loop
 * against nginx (the null server where there is none), the two in turn. Requests per second of the
 * workers' CPU time say what a second worker costs each of them; requests per second tell more only
 * on a host with CPUs for both and for the server.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { median } from 'simple-statistics';
import { startNullServer } from '../../../cli/load/calibrate.ts';
import { runLoad } from '../../../cli/load/run.ts';
import { startNginx } from './servers.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
  },
});

const server = (await startNginx(0)) ?? (await startNullServer());
const runs: Record<1 | 2, Array<{ perSecond: number; perCpuSecond: number }>> = { 1: [], 2: [] };
try {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const workers of round % 2 === 0 ? ([1, 2] as const) : ([2, 1] as const)) {
      const { counts, generator, requestsPerSecond } = await runLoad(
        {
          url: server.url,
          loop: 'closed',
          ratePerSecond: null,
          arrival: 'constant',
          connections: 64,
          durationMs: Number(values.seconds) * 1000,
          warmupMs: 1000,
          drainMs: 1000,
          timeoutMs: 10_000,
          seed: 1,
          workers,
          scenario: null,
          headers: {},
        },
        { signal: new AbortController().signal },
      );
      const perCpuSecond = counts.sentOnWire / (generator.cpuMs / 1000);
      runs[workers].push({ perSecond: requestsPerSecond, perCpuSecond });
    }
  }
} finally {
  await server.stop();
}
const ratio = (pick: (run: { perSecond: number; perCpuSecond: number }) => number) =>
  median(runs[1].map((one, i) => pick(runs[2][i]!) / pick(one))).toFixed(2);
console.log(`${cpus().length} CPUs, ${runs[1].length} pairs of ${values.seconds} s`);
console.log('| workers | requests/s | requests per CPU-second |\n| --: | --: | --: |');
for (const workers of [1, 2] as const) {
  const of = (pick: 'perSecond' | 'perCpuSecond') =>
    median(runs[workers].map((run) => run[pick])).toFixed(0);
  console.log(`| ${workers} | ${of('perSecond')} | ${of('perCpuSecond')} |`);
}
console.log(
  `\ntwo ÷ one, median of pairs: ${ratio((run) => run.perSecond)} of requests/s, ${ratio((run) => run.perCpuSecond)} of requests per CPU-second`,
);
