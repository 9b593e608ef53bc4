/**
 * Memory against the number of requests: `tsx test/bench/load/memory.ts [--requests 10000000]`.
 * A closed loop against the null server until that many are answered; RSS at every tenth.
 */
import { parseArgs } from 'node:util';
import { startNullServer } from '../../../cli/load/calibrate.ts';
import { runLoad } from '../../../cli/load/run.ts';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '10000000' } } });
const target = Number(values.requests);
/** Bound on the whole run, should the host be slow. */
const MAX_MS = 3_600_000;

const server = await startNullServer();
const controller = new AbortController();
let answered = 0;
const rssMb: number[] = [];
console.log('| requests | RSS MB |\n| --: | --: |');
try {
  const { counts, generator } = await runLoad(
    {
      url: server.url,
      loop: 'closed',
      ratePerSecond: null,
      arrival: 'constant',
      connections: 64,
      durationMs: MAX_MS,
      warmupMs: 0,
      drainMs: 1000,
      timeoutMs: 10_000,
      seed: 1,
      workers: 1,
      scenario: null,
      headers: {},
    },
    {
      signal: controller.signal,
      onTick: (tick) => {
        answered += tick.answered;
        if (answered >= (target * (rssMb.length + 1)) / 10) {
          const now = process.memoryUsage().rss / 2 ** 20;
          rssMb.push(now);
          console.log(`| ${answered} | ${now.toFixed(1)} |`);
        }
        if (answered >= target) controller.abort();
      },
    },
  );
  // the first tenth is the JIT's and the heap's finding of their size
  const settled = rssMb.slice(1);
  const spread = Math.max(...settled) - Math.min(...settled);
  console.log(
    `\n${counts.answered} answered, peak ${(generator.peakRssBytes / 2 ** 20).toFixed(0)} MB, `,
  );
  console.log(`spread after the first tenth ${spread.toFixed(1)} MB (goal: within 10 MB)`);
} finally {
  await server.stop();
}
