/** The generators that are compared, and how each is told to do the same closed loop. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../../cli/host/paths.ts';
import type { LoadMeasurement, LoadOptions } from '../../../cli/load/types.ts';

/** What a tool says of its own run. Latencies in µs, null where it does not tell. */
export interface Reported {
  requests: number;
  p50Us: number | null;
  p99Us: number | null;
}

export interface Tool {
  name: string;
  version: string;
  command(url: string, connections: number, seconds: number): string[];
  parse(output: string): Reported;
}

/** From 22.18 on Node reads types by itself. */
const TYPES = process.features.typescript ? [] : ['--import', 'tsx'];
const GENERATOR = fileURLToPath(new URL('../../oracles/generator-main.ts', import.meta.url));

function ours(): Tool {
  return {
    name: 'scratchpad',
    version: `node ${process.versions.node}`,
    command(url, connections, seconds) {
      const options: LoadOptions = {
        url,
        loop: 'closed',
        ratePerSecond: null,
        arrival: 'constant',
        connections,
        durationMs: seconds * 1000,
        warmupMs: 0,
        drainMs: 1000,
        timeoutMs: 10_000,
        seed: 1,
        workers: 1,
        scenario: null,
        headers: {},
      };
      return [process.execPath, ...TYPES, GENERATOR, JSON.stringify(options)];
    },
    parse(output) {
      const { counts, latencyUs } = JSON.parse(output) as LoadMeasurement;
      const { p50, p99 } = latencyUs.response;
      return { requests: counts.answered, p50Us: p50, p99Us: p99 };
    },
  };
}

const WRK_UNITS: Record<string, number> = { us: 1, ms: 1000, s: 1_000_000 };

const wrk = (version: string): Tool => ({
  name: 'wrk',
  version,
  command: (url, connections, seconds) => [
    'wrk',
    '--latency',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    url,
  ],
  parse(output) {
    const percentile = (percent: string) => {
      const match = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(output);
      return match ? Number(match[1]) * WRK_UNITS[match[2]!]! : null;
    };
    return {
      requests: Number(/(\d+) requests in/.exec(output)?.[1]),
      p50Us: percentile('50'),
      p99Us: percentile('99'),
    };
  },
});

const autocannon = (version: string): Tool => ({
  name: 'autocannon',
  version,
  command: (url, connections, seconds) => [
    process.execPath,
    join(packageRoot, 'node_modules', 'autocannon', 'autocannon.js'),
    '--json',
    '--no-progress',
    '-c',
    String(connections),
    '-d',
    String(seconds),
    url,
  ],
  parse(output) {
    const { requests, latency } = JSON.parse(output) as {
      requests: { total: number };
      latency: { p50: number; p99: number };
    };
    // whole milliseconds are all that it keeps
    return { requests: requests.total, p50Us: latency.p50 * 1000, p99Us: latency.p99 * 1000 };
  },
});

const h2load = (version: string): Tool => ({
  name: 'h2load',
  version,
  command: (url, connections, seconds) => [
    'h2load',
    '--h1',
    '-t1',
    `-c${connections}`,
    '-D',
    String(seconds),
    url,
  ],
  parse: (output) => ({
    requests: Number(/requests: \d+ total, \d+ started, (\d+) done/.exec(output)?.[1]),
    p50Us: null,
    p99Us: null,
  }),
});

const hey = (version: string): Tool => ({
  name: 'hey',
  version,
  command: (url, connections, seconds) => [
    'hey',
    '-cpus',
    '1',
    '-c',
    String(connections),
    '-z',
    `${seconds}s`,
    url,
  ],
  parse(output) {
    const percentile = (percent: number) => {
      const match = new RegExp(`${percent}%+ in ([\\d.]+) secs`).exec(output);
      return match ? Number(match[1]) * 1e6 : null;
    };
    return {
      requests: Number(/\[200\]\s+(\d+) responses/.exec(output)?.[1]),
      p50Us: percentile(50),
      p99Us: percentile(99),
    };
  },
});

/** Those that are installed here, ours first. */
export function installedTools(): Tool[] {
  const tools = [ours()];
  const candidates: Array<[string, string[], (version: string) => Tool]> = [
    ['wrk', ['-v'], wrk],
    [
      process.execPath,
      [join(packageRoot, 'node_modules/autocannon/autocannon.js'), '-v'],
      autocannon,
    ],
    ['h2load', ['--version'], h2load],
    ['hey', ['-h'], hey],
  ];
  for (const [command, args, make] of candidates) {
    const version = versionOf(command, args);
    if (version !== null) tools.push(make(version));
  }
  return tools;
}

/** First number in what the tool prints; some end with an error when asked for it. */
function versionOf(command: string, args: string[]): string | null {
  let text: string;
  try {
    text = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: string; stdout?: string; stderr?: string };
    if (code === 'ENOENT') return null;
    text = `${stdout ?? ''}${stderr ?? ''}`;
  }
  return /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? 'unknown';
}
