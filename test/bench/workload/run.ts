/**
 * `npm run bench:workload`: the workload against its peers, in one run on pinned CPUs.
 *
 *   speed     index with 20 posts, one post, create; closed loop, 16 connections; against a
 *             hand-written node:http server with held libSQL statements (peer-node.mjs) and the
 *             predecessor's stack (peer_flask.py under gunicorn, one worker)
 *   start     first valid reply after spawn, and resident memory then, against a hello world as a
 *             module (hello.mjs), which is what the workload is, and as CommonJS (hello.cjs), which
 *             loads less of Node and has no goal
 *
 * Servers on CPU 0, the generator on CPU 1, one server at a time under load. Many short rounds, each in
 * an order of its own: the speed of a shared host changes within seconds, and strikes all of a round.
 * The ratio and its 95 % interval are the product's own (cli/stats/paired.ts). A goal is met where the
 * whole interval meets it, missed where none of it does, and open in between. Exit code 5 where one
 * is missed.
 *
 *   tsx test/bench/workload/run.ts [--rounds 20] [--seconds 1] [--starts 15] [--json]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from 'simple-statistics';
import { scheduleRounds } from '../../../cli/stats/order.ts';
import { comparePaired } from '../../../cli/stats/paired.ts';
import { buildWorkload } from '../../../scripts/build-workload.ts';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../..');
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '1' },
    starts: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const starts = Number(flags.starts);
/** Not counted: the JIT has done its work by then. */
const WARM_UP_SECONDS = 5;
/** Of the order of rounds: the same in every run. */
const SEED = 1;

const folder = mkdtempSync(join(tmpdir(), 'scratchpad-bench-'));
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const pinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;
/** `command` bound to one CPU, where the host has two and taskset. */
function start(cpu: number, command: string[], env: Record<string, string> = {}): ChildProcess {
  const [program, ...args] = pinned ? ['taskset', '-c', String(cpu), ...command] : command;
  const child = spawn(program!, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: here,
    env: { ...process.env, ...env },
  });
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}
async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Resolves with the first 200; ends with an error where the server ends first. */
async function firstReply(url: string, child: ChildProcess, everyMs: number): Promise<void> {
  while (child.exitCode === null) {
    const status = await fetch(url, { headers: { connection: 'close' } }).then(
      async (reply) => {
        await reply.arrayBuffer();
        return reply.status;
      },
      () => 0,
    );
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`);
}

/**
 * Requests per second of a closed loop over 16 connections. With wrk, because it costs the least
 * beside the server and takes gunicorn's closing of every connection as what it is.
 */
async function load(url: string, script: string | null, forSeconds: number): Promise<number> {
  const args = ['-t1', '-c16', `-d${forSeconds}s`, ...(script === null ? [] : ['-s', script]), url];
  const command = pinned ? ['taskset', '-c', '1', 'wrk', ...args] : ['wrk', ...args];
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  children.delete(child);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(text);
  if (rate === null || /Non-2xx or 3xx/.test(text)) throw new Error(`${url}: ${text}`);
  return Number(rate[1]);
}

interface Peer {
  name: string;
  url: string;
  child: ChildProcess;
}

if (spawnSync('wrk', ['--version']).error !== undefined) {
  console.error('wrk is missing: apt-get install wrk');
  process.exit(3);
}
await buildWorkload();
const node = process.execPath;
const bundle = join(root, 'dist/workload/server.mjs');

/** A database with 40 posts, made by the workload itself, for every peer a copy of it. */
async function fill(): Promise<string> {
  const file = join(folder, 'filled.db');
  const url = 'http://127.0.0.1:6390';
  const child = start(0, [node, bundle], {
    SCRATCHPAD_PORT: '6390',
    SCRATCHPAD_DB_URL: `file:${file}`,
  });
  await firstReply(url, child, 20);
  for (let i = 1; i <= 40; i++) {
    const reply = await fetch(`${url}/api/posts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: `Post number ${i}`, content: `Some content of post ${i}` }),
    });
    if (reply.status !== 201) throw new Error(`filling: ${reply.status}`);
  }
  await stop(child);
  return file;
}

async function speed(): Promise<Result[]> {
  const filled = await fill();
  const copy = (name: string): string => {
    const file = join(folder, `${name}.db`);
    copyFileSync(filled, file);
    return file;
  };
  const peers: Peer[] = [
    {
      name: 'workload',
      url: 'http://127.0.0.1:6391',
      child: start(0, [node, bundle], {
        SCRATCHPAD_PORT: '6391',
        SCRATCHPAD_DB_URL: `file:${copy('workload')}`,
      }),
    },
    {
      name: 'hand-written',
      url: 'http://127.0.0.1:6392',
      child: start(0, [node, join(here, 'peer-node.mjs'), '6392', copy('peer')]),
    },
  ];
  if (existsSync('/usr/bin/gunicorn')) {
    peers.push({
      name: 'flask',
      url: 'http://127.0.0.1:6393',
      child: start(
        0,
        [
          '/usr/bin/gunicorn',
          '--log-level',
          'error',
          '--workers',
          '1',
          '--bind',
          '127.0.0.1:6393',
          'peer_flask:app',
        ],
        { DATABASE: copy('flask'), PYTHONDONTWRITEBYTECODE: '1' },
      ),
    });
  } else {
    console.error('flask: not measured (apt-get install gunicorn python3-flask)');
  }
  for (const { url, child } of peers) await firstReply(url, child, 20);

  const results: Result[] = [];
  for (const [scenario, path, script] of [
    ['index of 20', '/', null],
    ['one post', '/7', null],
    ['create', '/create', join(here, 'create.lua')],
  ] as const) {
    const rates = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
    for (const { url } of peers) await load(url + path, script, WARM_UP_SECONDS);
    for (const order of scheduleRounds([...rates.keys()], rounds, SEED)) {
      for (const name of order) {
        const { url } = peers.find((peer) => peer.name === name)!;
        rates.get(name)!.push(await load(url + path, script, seconds));
      }
    }
    for (const [peer, goal] of [
      ['hand-written', 0.8],
      ['flask', 6],
    ] as const) {
      const theirs = rates.get(peer);
      if (theirs === undefined) continue;
      const ours = rates.get('workload')!;
      results.push(result(`${scenario}, requests/s`, peer, ours, theirs, goal, 'at least'));
    }
  }
  for (const { child } of peers) await stop(child);
  return results;
}

async function startUp(): Promise<Result[]> {
  const kinds = {
    workload: bundle,
    'hello, ESM': join(here, 'hello.mjs'),
    'hello, CJS': join(here, 'hello.cjs'),
  };
  const names = Object.keys(kinds) as Array<keyof typeof kinds>;
  const ms: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  const mb: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (const [i, order] of scheduleRounds(names, starts, SEED).entries()) {
    for (const name of order as typeof names) {
      const file = join(folder, `start-${i}.db`);
      const begin = performance.now();
      const child = start(0, [node, kinds[name]], {
        SCRATCHPAD_PORT: '6394',
        SCRATCHPAD_DB_URL: `file:${file}`,
        SCRATCHPAD_SEED: '1',
      });
      await firstReply('http://127.0.0.1:6394/', child, 1);
      ms[name]!.push(performance.now() - begin);
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      mb[name]!.push(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
      await stop(child);
    }
  }
  const against = (peer: keyof typeof kinds, goals: { ms: number; mb: number } | null) => [
    result('first reply, ms', peer, ms['workload']!, ms[peer]!, goals?.ms ?? null, 'at most'),
    result('resident, MB', peer, mb['workload']!, mb[peer]!, goals?.mb ?? null, 'at most'),
  ];
  return [...against('hello, ESM', { ms: 1.3, mb: 1.5 }), ...against('hello, CJS', null)];
}

interface Result {
  what: string;
  peer: string;
  ours: number;
  theirs: number;
  ratio: number | null;
  interval95: [number, number] | null;
  /** null: reported, not judged. */
  goal: string | null;
  verdict: 'met' | 'open' | 'missed' | null;
}

function result(
  what: string,
  peer: string,
  ours: number[],
  theirs: number[],
  goal: number | null,
  sense: 'at least' | 'at most',
): Result {
  const better = sense === 'at least' ? 'higher' : 'lower';
  const { ratio, interval95 } = comparePaired(ours, theirs, { better });
  return {
    what,
    peer,
    ours: median(ours),
    theirs: median(theirs),
    ratio,
    interval95,
    goal: goal === null ? null : `${sense} ${goal}`,
    verdict: goal === null ? null : verdictOn(interval95, goal, sense),
  };
}

function verdictOn(
  interval: [number, number] | null,
  goal: number,
  sense: 'at least' | 'at most',
): 'met' | 'open' | 'missed' {
  if (interval === null) return 'open';
  const [worst, best] = sense === 'at least' ? interval : interval.toReversed();
  const meets = (value: number) => (sense === 'at least' ? value >= goal : value <= goal);
  if (meets(worst!)) return 'met';
  return meets(best!) ? 'open' : 'missed';
}

const results = [...(await speed()), ...(await startUp())];
if (flags.json) console.log(JSON.stringify({ pinned, rounds, seconds, starts, results }, null, 2));
else {
  console.log(
    `${'figure'.padEnd(26)}${'peer'.padEnd(14)}${'ours'.padStart(8)}${'theirs'.padStart(8)}${'ratio'.padStart(7)}  95 % interval   goal`,
  );
  for (const { what, peer, ours, theirs, ratio, interval95, goal, verdict } of results) {
    const [lower, upper] = (interval95 ?? []).map((bound) => bound.toFixed(2));
    console.log(
      what.padEnd(26) +
        peer.padEnd(14) +
        ours.toFixed(0).padStart(8) +
        theirs.toFixed(0).padStart(8) +
        (ratio?.toFixed(2) ?? '–').padStart(7) +
        `  ${interval95 === null ? 'unknown' : `[${lower}, ${upper}]`}`.padEnd(18) +
        (goal === null ? 'none' : `${goal}: ${verdict}`),
    );
  }
}
process.exitCode = results.some(({ verdict }) => verdict === 'missed') ? 5 : 0;
