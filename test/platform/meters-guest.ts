/**
 * The consumer with a meter beside it, bundled and run as the guest's service: `/reading` is the
 * guest's own cgroup v2 read by our code, with what getrusage says at the same moment; `/settle` its
 * sync.
 */
import { openMeter } from '../../cli/meters/open.ts';

process.argv[2] = '5001';
process.argv[3] = process.cwd();
const { actions } = await import('./meters-consumer.mjs');
const meter = await openMeter({ kind: 'cgroup', ofPid: process.pid, filesPath: process.cwd() });
actions['reading'] = async ({ expensive }) => {
  const reading = await meter.read({ expensive: expensive === 1 });
  const { user, system } = process.cpuUsage();
  return { reading, processCpuMs: (user + system) / 1000 };
};
actions['settle'] = async () => ({ settled: await meter.settle!() });
