/**
 * The meter against instruments that are not ours: GNU time (getrusage of the ended process),
 * pidstat (sysstat, /proc/PID) and du. One consumer: 200 MB touched, 100 MB written and synced, 2 s of
 * CPU. Tolerances and why: docs/decisions/meters-truth.md.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { MeterReading } from '../../cli/meters/meter.ts';
import { openMeter } from '../../cli/meters/open.ts';
import { isUnavailable, type Measured } from '../../cli/record/measured.ts';
import { folderOnDisk, startInCgroup } from './meters-subjects.ts';
import { platformTest } from './require.ts';

const TOUCH_BYTES = 200_000_000;
const WRITE_BYTES = 100_000_000;
const BURN_MS = 2000;

function has(t: TestContext, command: string, args: string[], aptPackage: string): boolean {
  if (spawnSync(command, args).error === undefined) return true;
  t.skip(`no ${command} (Debian: ${aptPackage})`);
  return false;
}

function number(value: Measured<number>): number {
  if (isUnavailable(value)) assert.fail(value.unavailable);
  return value;
}

function near(
  t: TestContext,
  what: string,
  actual: number,
  expected: number,
  within: number,
): void {
  t.diagnostic(`${what}: meter ${Math.round(actual)}, instrument ${Math.round(expected)}`);
  assert.ok(
    Math.abs(actual - expected) <= within,
    `${what}: ${actual} is not within ${within} of ${expected}`,
  );
}

/** The consumer in its cgroup, under `under`, and what the meter reads before and after its work. */
async function work(t: TestContext, under: string[], whileAt?: (pid: number) => () => void) {
  const folder = folderOnDisk(t);
  const { url, pid, child, cgroup } = await startInCgroup(t, folder, 1, under);
  const meter = await openMeter({
    kind: 'cgroup',
    ...(cgroup.version === 1
      ? { v1: cgroup.folders }
      : { v2: { folder: cgroup.folders.unified! } }),
    filesPath: folder,
  });
  t.after(() => meter.close());
  const ask = async (path: string) => (await fetch(new URL(path, url))).json();
  const before = await meter.read();
  const stop = whileAt?.(pid);
  await ask(`touch?bytes=${TOUCH_BYTES}`);
  const touched = await meter.read();
  const { path } = (await ask(`write?bytes=${WRITE_BYTES}&sync=1`)) as { path: string };
  await ask(`burn?ms=${BURN_MS}`);
  await meter.settle?.();
  const after = await meter.read();
  stop?.();
  return { before, touched, after, pid, child, path };
}

const cpuOf = (reading: MeterReading) => number(reading.cpu.totalMs);
const writtenOf = (reading: MeterReading) => number(reading.disk.writtenBytes);

platformTest(
  'cgroup',
  'GNU time says the same of the ended process, and du of its file',
  async (t) => {
    if (!has(t, '/usr/bin/time', ['--version'], 'time')) return;
    const report = join(folderOnDisk(t), 'time.txt');
    const { touched, after, pid, child, path } = await work(t, [
      '/usr/bin/time',
      '-v',
      '-o',
      report,
    ]);
    const [allocated] = execFileSync('du', ['-B1', path], { encoding: 'utf8' }).split('\t');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    process.kill(pid, 'SIGTERM');
    await ended;
    const text = readFileSync(report, 'utf8');
    const said = (name: string) => {
      const value = new RegExp(`${name}[^:]*: ([\\d.]+)`).exec(text)?.[1];
      assert.ok(value !== undefined, `${name} is not in\n${text}`);
      return Number(value);
    };
    const cpuMs = (said('User time') + said('System time')) * 1000;
    // Freeing the memory at the end is in time's figure alone, the shell before exec in the meter's.
    near(t, 'CPU', cpuOf(after), cpuMs, 0.01 * cpuMs + 150);
    const rss = said('Maximum resident set size') * 1024;
    // time's figure holds the mapped pages of the Node binary, which others may have been charged with.
    const { workingSetBytes } = touched.memory;
    const mapped = rss - number(workingSetBytes);
    assert.ok(
      mapped > -0.03 * rss && mapped < 150e6,
      `${workingSetBytes} charged, ${rss} resident`,
    );
    near(t, 'written', writtenOf(after), said('File system outputs') * 512, 0.01 * WRITE_BYTES);
    near(t, 'du of the file', Number(allocated), writtenOf(after), 0.01 * WRITE_BYTES);
  },
);

platformTest('cgroup', 'pidstat says the same while it runs', async (t) => {
  if (!has(t, 'pidstat', ['-V'], 'sysstat')) return;
  let lines = '';
  let ended: Promise<unknown> = Promise.resolve();
  const { before, after } = await work(t, [], (pid) => {
    const pidstat = spawn('pidstat', ['-u', '-d', '-h', '-H', '-p', String(pid), '1'], {
      env: { ...process.env, LC_ALL: 'C', S_TIME_FORMAT: 'ISO' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => void pidstat.kill('SIGKILL'));
    pidstat.stdout.setEncoding('utf8').on('data', (text: string) => {
      lines += text;
    });
    ended = new Promise((resolve) => pidstat.once('close', resolve));
    // It reports whole seconds: one more, so that the last of the work is in a report.
    return () => void setTimeout(() => pidstat.kill('SIGINT'), 1500);
  });
  await ended;
  const rows = lines.split('\n').map((line) => line.trim().split(/\s+/));
  const head = rows.find(([first]) => first === '#');
  assert.ok(head !== undefined, lines);
  const column = (name: string) => head.indexOf(name) - 1;
  // Each is a mean over one second.
  const sum = (name: string) =>
    rows
      .filter(([first]) => /^\d+$/.test(first ?? ''))
      .reduce((total, row) => total + Number(row[column(name)]), 0);
  const cpuMs = sum('%CPU') * 10;
  const written = sum('kB_wr/s') * 1024;
  near(t, 'CPU', cpuOf(after) - cpuOf(before), cpuMs, 0.02 * cpuMs + 150);
  near(t, 'written', writtenOf(after) - writtenOf(before), written, 0.02 * WRITE_BYTES);
});
