/**
 * The built `scratchpad load` as a user sees it: stages, exports, the generator's floor, the live
 * view on and off a terminal, Ctrl-C. Histograms are decoded by another implementation.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import hdr from 'hdr-histogram-js';
import type { Pinning } from '../../cli/host/pinning.ts';
import { startNullServer } from '../../cli/load/calibrate.ts';
import type { LoadMeasurement } from '../../cli/load/types.ts';
import { type LoadRecord, loadRecordSchema } from '../../cli/record/schema.ts';
import { bin, sandbox } from '../cli/run-cli.ts';
import { assertBetween, assertConsistent } from './harness.ts';

async function nullServer(t: TestContext): Promise<string> {
  const server = await startNullServer();
  t.after(() => server.stop());
  return server.url;
}

/** A record as written: what the schema asks for, and what the measurement adds to it. */
type WrittenRecord = LoadMeasurement & Pick<LoadRecord, 'generatorFloor'>;

function readRecord(file: string): WrittenRecord {
  return loadRecordSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) as unknown as WrittenRecord;
}

function recordIn(folder: string): WrittenRecord {
  const results = join(folder, 'results');
  const files = readdirSync(results).filter((name) => name.startsWith('load-'));
  assert.equal(files.length, 1, `one record: ${files}`);
  return readRecord(join(results, files[0]!));
}

/** The lines of a `.hgrm`: value, percentile as a share, count up to it. */
function readHgrm(text: string): Array<[value: number, share: number, count: number]> {
  return text
    .split('\n')
    .filter((line) => /^\s*[\d.]+\s+[\d.]+\s+\d+/.test(line))
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number, number]);
}

test('--stages sends what its area says; base64 and .hgrm are what another decoder reads', async (t) => {
  const url = await nullServer(t);
  const { folder, run } = sandbox(t);
  const hgrm = join(folder, 'response.hgrm');
  const { code, stderr } = await run(
    ['load', '--url', url, '--stages', '1s:0..200,500ms:200,500ms:200..0', '--warmup', '0s'].concat(
      ['--no-pin', '--hgrm', hgrm],
    ),
  );
  // 4: a host as busy as a test's may well be late, and the record says so
  assert.ok(code === 0 || code === 4, stderr);
  const record = recordIn(folder);
  assertConsistent(record);
  assert.equal(record.counts.planned, 100 + 100 + 50);
  assert.equal(record.counts.answered, 250);
  assert.deepEqual(record.plan.stages, [
    { durationMs: 1000, fromRate: 0, toRate: 200 },
    { durationMs: 500, fromRate: 200, toRate: 200 },
    { durationMs: 500, fromRate: 200, toRate: 0 },
  ]);

  for (const [name, summary] of Object.entries(record.latencyUs)) {
    const peer = hdr.decodeFromCompressedBase64(summary!.histogram, 64, false);
    assert.equal(peer.totalCount, summary!.count, name);
    if (summary!.count === 0) continue;
    for (const [key, percent] of Object.entries({ p50: 50, p90: 90, p95: 95, p99: 99 })) {
      const ours = summary![key as 'p50'];
      assert.equal(peer.getValueAtPercentile(percent), ours, `${name} ${key}`);
    }
    assert.ok(Math.abs(peer.mean - summary!.mean) < 1e-6 * (1 + peer.mean), `${name} mean`);
  }

  const response = hdr.decodeFromCompressedBase64(record.latencyUs.response.histogram, 64, false);
  const lines = readHgrm(readFileSync(hgrm, 'utf8'));
  assert.deepEqual(lines.at(-1)!.slice(1), [1, 250]);
  for (const [valueMs, share] of lines) {
    const peerMs = response.getValueAtPercentile(share * 100) / 1000;
    assert.ok(Math.abs(valueMs - peerMs) < 0.0006, `${share}: ${valueMs} and ${peerMs}`);
  }
});

test('off a terminal: the floor is measured once, a line comes every 10 s, SIGINT keeps a valid record', async (t) => {
  const url = await nullServer(t);
  const { folder, start, run } = sandbox(t);
  const cache = { SCRATCHPAD_CACHE_DIR: join(folder, 'cache') };
  const args = ['load', '--url', url, '--rate', '50', '--warmup', '0s', '--no-pin'];
  const { child, result } = start([...args, '--duration', '30s'], cache);
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  let isStopped = false;
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
    if (/^\W*10\/30 s /m.test(stderr) && !isStopped) {
      isStopped = true;
      child.kill('SIGINT');
    }
  });
  const { code, stdout } = await result;
  assert.equal(code, 130, stderr);
  assert.match(stderr, /measuring what the generator itself costs/);
  assert.equal(stderr.match(/asked, \d+ answered\/s/g)?.length, 1, stderr);
  assert.ok(!stderr.includes('\x1b') && !stderr.includes('\r'), 'nothing is redrawn');
  assert.doesNotMatch(stdout, /answered\/s/);

  const record = recordIn(folder);
  assertConsistent(record);
  assert.equal(record.interrupted, true);
  assertBetween(record.counts.answered, 480, 800, 'answered in 10 s and what a busy host adds');
  const floor = record.generatorFloor as { atRate: { responseP50Us: number; lagP50Us: number } };
  assert.ok(floor.atRate.responseP50Us > 0 && floor.atRate.lagP50Us >= 0, JSON.stringify(floor));

  // a short load shows a stored floor and never measures one; a busy host's is not stored
  const isQuiet = (floor as unknown as { warnings: string[] }).warnings.length === 0;
  const short = await run([...args, '--duration', '300ms', '--out', join(folder, 'short.json')], {
    env: cache,
  });
  assert.doesNotMatch(short.stderr, /measuring what the generator/);
  const shown = readRecord(join(folder, 'short.json'));
  if (isQuiet) assert.deepEqual(shown.generatorFloor, record.generatorFloor);
  else assert.match(JSON.stringify(shown.generatorFloor), /not measured on this host/);
});

test('on a terminal: one line redrawn each second, and Ctrl-C keeps a valid record', async (t) => {
  if (spawnSync('script', ['--version']).status !== 0) {
    t.skip('needs script(1) for a terminal');
    return;
  }
  const url = await nullServer(t);
  const { folder, env } = sandbox(t);
  const command = `stty cols 120; '${process.execPath}' '${bin}' load --url ${url} --rate 50 --duration 25s --warmup 0s --no-pin`;
  const terminal = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: folder,
    env: { ...env, CI: undefined, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => terminal.kill('SIGKILL'));
  let screen = '';
  let isStopped = false;
  terminal.stdout.setEncoding('utf8').on('data', (chunk) => {
    screen += chunk;
    if (/ 3\/25 s .*answered/.test(screen) && !isStopped) {
      isStopped = true;
      terminal.stdin.write('\x03');
    }
  });
  const [code] = await once(terminal, 'close');
  assert.equal(code, 130, screen);
  // each second begins by clearing the line
  const redrawn = screen.split('\r\x1b[K');
  for (const second of [1, 2, 3]) {
    const line = redrawn.find((text) => text.startsWith(` ${second}/25 s`));
    assert.match(line ?? screen, /s {2}50 asked, \d+ answered\/s {2}p50 .* p99 .* [▁-█]/);
    assert.ok(!line!.includes('\n'), 'redrawn, not scrolled');
  }
  const record = recordIn(folder);
  assertConsistent(record);
  assert.equal(record.interrupted, true);
  assertBetween(record.counts.answered, 140, 500, 'answered in 3 s and what a busy host adds');
});

test('each worker has a CPU of its own, or the record says that they share one', async (t) => {
  const url = await nullServer(t);
  const { folder, run } = sandbox(t);
  const args = ['load', '--url', url, '--rate', '50', '--warmup', '0s', '--workers', '2'];
  const { code, stderr } = await run([...args, '--duration', '300ms']);
  assert.ok(code === 0 || code === 4, stderr);
  const record = recordIn(folder);
  const { generatorCpus } = (record as unknown as { pinning: Pinning }).pinning;
  const { cpus } = record.generator;
  const says = (pattern: RegExp) => record.warnings.some((warning) => pattern.test(warning));
  if (generatorCpus === null) {
    t.diagnostic('this host has one CPU: nothing is pinned');
    assert.equal(cpus, undefined);
    return;
  }
  const [first, second = first] = generatorCpus;
  assert.deepEqual(cpus, [first, second]);
  assert.equal(says(/^2 workers share CPU/), generatorCpus.length === 1);
});

test('acknowledged writes that are lost are printed, and end with exit code 4', async (t) => {
  const server = new Worker(new URL('./posts-server.ts', import.meta.url), {
    workerData: { fault: 'loses-updates' },
    execArgv: ['--import', 'tsx'],
  });
  t.after(() => server.terminate());
  const [port] = (await once(server, 'message')) as [number];
  const { run } = sandbox(t);
  const args = [
    'load',
    '--url',
    `http://127.0.0.1:${port}/`,
    '--scenario',
    'mixed',
    '--rate',
    '100',
  ];
  const { code, stdout, stderr } = await run([...args, '--duration', '2', '--no-pin']);
  assert.equal(code, 4);
  assert.match(stderr, /^error WRITES_LOST: \d+ acknowledged writes? (was|were) lost$/m);
  assert.match(stdout, /^integrity {2}\d+ writes acknowledged, \d+ checks passed, \d+ LOST$/m);
  assert.match(stdout, /^ {11}[\w-]+: BODY_MISMATCH \(/m);
});
