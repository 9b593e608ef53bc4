/**
 * `npm run bench:load`: this engine beside wrk, autocannon and, where installed, h2load and hey:
 * the same server, the same connections, generator and server pinned to CPUs of their own. Prints
 * Markdown.
 *
 * Requests are the *server's* count and CPU time is the kernel's, both over the same stretch in the
 * middle of the run: so start-up is in nobody's figure, and no tool grades itself. Each round runs
 * every tool once, in an order that is turned by one each round; ratios are of one round.
 *
 *   --seconds N   of each run (default 10)    --rounds N   (default 5)
 *   --server nginx|pad|all                     --connections N (default 64)
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { median } from 'simple-statistics';
import { type Server, startNginx, startScratchPad } from './servers.ts';
import { installedTools, type Reported, type Tool } from './tools.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
    server: { type: 'string', default: 'all' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const connections = Number(values.connections);
const SERVER_CPU = 0;
const GENERATOR_CPU = 1;
/** Clock ticks per second of /proc/PID/stat: 100 on every Linux. */
const TICKS_PER_SECOND = 100;
/** Left out at both ends: start-up and the JIT, the end and its report. */
const EDGE_MS = 2000;

interface Run extends Reported {
  perSecond: number;
  perCpuSecond: number;
  cpuShare: number;
  peakMb: number;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** User and system time of a process, all threads, in seconds. */
function cpuSeconds(pid: number): number {
  // the command's name is in brackets and may hold spaces
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function peakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function measure(tool: Tool, server: Server): Promise<Run> {
  const command = tool.command(server.url, connections, seconds);
  // taskset replaces itself by the tool: the pid is the tool's
  const child = spawn('taskset', ['-c', String(GENERATOR_CPU), ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: `/tmp/scratchpad-bench-${process.pid}` },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  const closed = once(child, 'close');
  const read = async () => {
    const at = performance.now();
    const cpu = cpuSeconds(child.pid!);
    return { at, cpu, requests: await server.count() };
  };
  await wait(EDGE_MS);
  const from = await read();
  await wait(seconds * 1000 - 2 * EDGE_MS);
  const to = await read();
  const peak = peakMb(child.pid!);
  const [code] = await closed;
  if (code !== 0) throw new Error(`${tool.name} ended with ${code}: ${output.slice(-400)}`);
  const requests = to.requests - from.requests;
  const elapsed = (to.at - from.at) / 1000;
  return {
    ...tool.parse(output),
    perSecond: requests / elapsed,
    perCpuSecond: requests / (to.cpu - from.cpu),
    cpuShare: (to.cpu - from.cpu) / elapsed,
    peakMb: peak,
  };
}

async function compare(server: Server, tools: Tool[]): Promise<void> {
  const runs = new Map<string, Run[]>(tools.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = tools.map((_, i) => tools[(i + round) % tools.length]!);
    if (round % 2 === 1) order.reverse();
    for (const tool of order) {
      runs.get(tool.name)!.push(await measure(tool, server));
      process.stderr.write(`${server.name} round ${round + 1}/${rounds} ${tool.name}\n`);
    }
  }
  const first = runs.get('scratchpad')!;
  const middle = (of: Run[], pick: (run: Run) => number | null) => {
    const known = of.map(pick).filter((value) => value !== null);
    return known.length === 0 ? null : median(known);
  };
  const show = (value: number | null, digits = 0) => (value === null ? '–' : value.toFixed(digits));
  console.log(
    `\n### ${server.name}, ${connections} connections, ${rounds} rounds of ${seconds} s\n`,
  );
  console.log(
    '| generator | requests/s | requests per CPU-second | ours ÷ it (median of rounds; lowest, highest) | CPU | p50 µs | p99 µs | peak MB |',
  );
  console.log('| --- | --: | --: | --: | --: | --: | --: | --: |');
  for (const { name } of tools) {
    const all = runs.get(name)!;
    const ratios = all.map((run, i) => first[i]!.perCpuSecond / run.perCpuSecond);
    const ratio = `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}, ${Math.max(...ratios).toFixed(2)})`;
    console.log(
      `| ${[
        name,
        show(middle(all, (run) => run.perSecond)),
        show(middle(all, (run) => run.perCpuSecond)),
        name === 'scratchpad' ? '1' : ratio,
        `${show(middle(all, (run) => run.cpuShare * 100))} %`,
        show(middle(all, (run) => run.p50Us)),
        show(middle(all, (run) => run.p99Us)),
        show(middle(all, (run) => run.peakMb)),
      ].join(' | ')} |`,
    );
  }
}

if (cpus().length < 2) throw new Error('needs two CPUs: one for the generator, one for the server');
const tools = installedTools();
console.log(
  `CPU: ${cpus()[0]!.model.trim()}, ${cpus().length} of them; generator on one, server on another.`,
);
console.log(`Tools: ${tools.map(({ name, version }) => `${name} ${version}`).join(', ')}.`);
for (const start of [
  ...(values.server === 'pad' ? [] : [startNginx]),
  ...(values.server === 'nginx' ? [] : [startScratchPad]),
]) {
  const server = await start(SERVER_CPU);
  if (server === null) {
    console.log('\nnginx is not installed here: left out.');
    continue;
  }
  try {
    await compare(server, tools);
  } finally {
    await server.stop();
  }
}
