/**
 * A load whose own process gets no CPU for 3 s in the middle: the record invents nothing for that
 * time, shows the gap, and its totals are still right.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseProcessStat } from '../../cli/meters/procfs.ts';
import { loadRecordSchema, type Resources } from '../../cli/record/schema.ts';
import { freePort } from '../../cli/targets/port.ts';
import { matching, sandbox } from '../cli/run-cli.ts';

const STOPPED_MS = 3000;

test('a stopped harness: gaps are seen, totals hold', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /proc here');
  const box = sandbox(t);
  const port = String(await freePort());
  assert.equal((await box.run(['deploy', 'bare', '--port', port])).code, 0);
  const { deployments } = (await box.run(['status', '--json'])).json<{
    deployments: Array<{ detail: string }>;
  }>();
  const pid = Number(/pid (\d+)/.exec(deployments[0]!.detail)?.[1]);
  /** The target's own account in /proc, another counter than that of its cgroup. */
  const usedMs = () => {
    const { userMs, systemMs } = parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return userMs + systemMs;
  };

  const { child, result } = box.start([
    'load',
    'bare',
    '--rate',
    '100',
    '--duration',
    '6',
    '--warmup',
    '0',
    '--json',
  ]);
  await matching(child, /open loop/);
  await box.underLoad();
  // From here: the target has hashed its own files by now, which is no part of the window.
  const before = usedMs();
  await sleep(1000);
  child.kill('SIGSTOP');
  await sleep(STOPPED_MS);
  child.kill('SIGCONT');
  const { stderr, json } = await result;
  const after = usedMs();

  const record = loadRecordSchema.parse(json());
  const resources = record.resources as Resources & { sampling: Record<string, number> };
  const { samples, window, sampling } = resources;
  const figure = (key: string) => {
    const value = window[key];
    if (typeof value !== 'number') assert.fail(`${key}: ${JSON.stringify(value)}\n${stderr}`);
    return value;
  };

  const gaps = samples.slice(1).map(({ atMs }, i) => atMs - samples[i]!.atMs);
  assert.ok(Math.max(...gaps) >= STOPPED_MS, `no gap in ${gaps}: a sample was invented`);
  assert.equal(sampling['taken'], samples.length, 'each sample is one that was taken');
  assert.ok(figure('samplesMissed') >= 2, `${window['samplesMissed']} missed`);
  assert.match(record.warnings.join('\n'), /the sampler was starved: \d+ of \d+ readings missed/);

  // 6 s less what its first reading came late; without the stopped time it would be 3 s.
  assert.ok(figure('windowMs') > 5000, 'the stopped time is part of the window');
  // 30 ms: steps of the process's own account, and what answers /readyz before and after.
  const used = after - before;
  const close = 30 + 0.1 * used;
  assert.ok(Math.abs(figure('cpuMs') - used) <= close, `${window['cpuMs']} of ${used} ms`);
  assert.ok(figure('cpuPeakShare') <= 1.05, 'no interval has more than the ceiling of 1 CPU');

  assert.ok(figure('hostUnattributedMs') >= 0, 'nothing is charged twice');
  assert.ok(
    figure('hostBusyMs') >= figure('hostAttributedMs') - figure('hostBalanceUncertaintyMs'),
  );

  const sum = record.windows.reduce((total, each) => total + each.answered, 0);
  assert.equal(sum, record.counts.answered, 'the windows sum to the total');
  assert.equal(record.counts.planned, 600);
  const { reconciliation } = record as { reconciliation: { difference: number } };
  assert.equal(reconciliation.difference, 0);
});
