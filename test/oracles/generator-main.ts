/** A load in a process of its own: `node generator-main.ts OPTIONS`, the measurement on stdout. */
import { runLoad } from '../../cli/load/run.ts';

const measurement = await runLoad(JSON.parse(process.argv[2]!), {
  signal: new AbortController().signal,
});
process.stdout.write(JSON.stringify(measurement));
