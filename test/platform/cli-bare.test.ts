/** The CLI end to end on the bare target: what a user types, what is left behind. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type LoadRecord, loadRecordSchema, type Resources } from '../../cli/record/schema.ts';
import { readRecord } from '../../cli/record/store.ts';
import { matching, type Sandbox, sandbox } from '../cli/run-cli.ts';

interface Deployed {
  url: string;
  id: string;
  port: number;
  artifact: { sha256: string; verifiedInTarget: boolean; synchronous?: string };
}

async function deployBare({ run }: Sandbox): Promise<Deployed> {
  const port = await freePort();
  const result = await run(['deploy', 'bare', '--port', String(port), '--json']);
  assert.equal(result.code, 0, result.stderr);
  return result.json<Deployed>();
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Processes that carry the marker of this sandbox's deployments, or hold its folder open. */
function processesOf(folder: string): string[] {
  if (!existsSync('/proc/self')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return environment.includes(folder) && !command.includes('--test');
      } catch {
        return false; // ended meanwhile
      }
    });
}

async function assertNothingLeft({ run, folder }: Sandbox): Promise<void> {
  assert.deepEqual((await run(['status', '--json'])).json(), { deployments: [], unreadable: [] });
  assert.deepEqual(processesOf(folder), []);
}

describe('deploy bare, as a user', () => {
  it('serves the predecessor’s pages to a client that knows only them', async (t) => {
    const box = sandbox(t);
    const { url, artifact } = await deployBare(box);
    assert.equal(artifact.verifiedInTarget, true);
    assert.equal(artifact.synchronous, 'normal');
    assert.match(artifact.sha256, /^[0-9a-f]{64}$/);
    const form = (fields: Record<string, string>) => ({
      method: 'POST',
      body: new URLSearchParams(fields),
      redirect: 'manual' as const,
    });
    const index = await (await fetch(url)).text();
    assert.match(index, /First Post/);
    assert.match(index, /Second Post/);

    const created = await fetch(`${url}create`, form({ title: 'A & <B>', content: 'text' }));
    assert.equal(created.status, 302);
    const after = await (await fetch(url)).text();
    assert.match(after, /A &amp; &lt;B&gt;/);
    const id = /href="\/(\d+)"[^>]*>\s*(?:<[^>]*>\s*)*A &amp;/.exec(after)?.[1];
    assert.ok(id, 'the list links to the new post');

    const edited = await fetch(`${url}${id}/edit`, form({ title: 'Edited', content: 'more' }));
    assert.equal(edited.status, 302);
    assert.match(await (await fetch(`${url}${id}`)).text(), /Edited/);

    const untitled = await fetch(`${url}create`, form({ title: '', content: 'kept' }));
    const form2 = await untitled.text();
    assert.match(form2, /Title is required!/);
    assert.match(form2, /kept/);

    const deleted = await fetch(`${url}${id}/delete`, form({}));
    assert.equal(deleted.status, 302);
    const cookie = deleted.headers
      .getSetCookie()
      .map((each) => each.split(';')[0])
      .join('; ');
    const flashed = await (await fetch(url, { headers: { cookie } })).text();
    assert.match(flashed, /(&quot;|")Edited(&quot;|") was successfully deleted!/);
    assert.equal((await fetch(`${url}${id}`)).status, 404);
  });

  it('is found by status, refuses a second on its port, and down removes all of it', async (t) => {
    const box = sandbox(t);
    const { url, id, port } = await deployBare(box);
    const status = (await box.run(['status', '--json'])).json<{
      deployments: Array<{ id: string; url: string; state: string }>;
    }>();
    assert.deepEqual(
      status.deployments.map((each) => [each.id, each.url, each.state]),
      [[id, url, 'running']],
    );
    const again = await box.run(['deploy', 'bare', '--port', String(port), '--json']);
    assert.equal(again.json<{ error: { code: string } }>().error.code, 'ALREADY_DEPLOYED');
    const down = await box.run(['down', 'bare']);
    assert.equal(down.code, 0, down.stderr);
    await assertNothingLeft(box);
    await assert.rejects(fetch(url));
  });
});

describe('probe bare', () => {
  it('measures start-up as an interval, with phases and memory, and writes a record', async (t) => {
    const box = sandbox(t);
    const result = await box.run(['probe', 'bare', '--trials', '2', '--json']);
    assert.equal(result.code, 0, result.stderr);
    const record = result.json<{
      kind: string;
      trials: Array<{ lastMissMs: number | null; firstHitMs: number; phases: unknown[] }>;
      summary: { firstValidReplyMs: { n: number; mean: number } };
    }>();
    assert.equal(record.kind, 'probe');
    assert.equal(record.trials.length, 2);
    for (const { lastMissMs, firstHitMs, phases } of record.trials) {
      assert.ok(lastMissMs !== null && lastMissMs < firstHitMs);
      assert.ok(phases.length > 0);
    }
    assert.equal(record.summary.firstValidReplyMs.n, 2);
    const [file] = readdirSync(join(box.folder, 'results'));
    assert.equal(readRecord(join(box.folder, 'results', file!)).kind, 'probe');
    await assertNothingLeft(box);
  });

  it('restarts a stopped one with --mode restart', async (t) => {
    const box = sandbox(t);
    const result = await box.run(['probe', 'bare', '--trials', '1', '--mode', 'restart', '--json']);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.json<{ trials: Array<{ mode: string }> }>().trials[0]!.mode, 'restart');
  });
});

describe('load bare', () => {
  it('obeys the record’s contract, and its counts reconcile with the server’s', async (t) => {
    const box = sandbox(t);
    await deployBare(box);
    for (const how of [
      ['--rate', '200'],
      ['--connections', '4'],
    ]) {
      const result = await box.run([
        'load',
        '--duration',
        '2',
        '--warmup',
        '0.5',
        ...how,
        '--json',
      ]);
      assert.ok(result.code === 0 || result.code === 4, result.stderr);
      const record = loadRecordSchema.parse(result.json());
      assertContract(record);
      const { reconciliation } = record as { reconciliation: Record<string, number> };
      assert.equal(reconciliation['difference'], 0, JSON.stringify(reconciliation));
    }
  });

  it('deploys a target that is not deployed, and removes it afterwards', async (t) => {
    const box = sandbox(t);
    const result = await box.run([
      'load',
      'bare',
      '--duration',
      '1',
      '--connections',
      '2',
      '--json',
    ]);
    assert.ok(result.code === 0 || result.code === 4, result.stderr);
    await assertNothingLeft(box);
  });

  it('Ctrl-C keeps a valid partial record, removes what it deployed, and exits 130', async (t) => {
    const box = sandbox(t);
    const { child, result } = box.start([
      'load',
      'bare',
      '--duration',
      '60',
      '--connections',
      '2',
      '--json',
    ]);
    await matching(child, /closed loop/);
    await box.underLoad();
    setTimeout(() => child.kill('SIGINT'), 1500);
    const { code, stderr, json } = await result;
    assert.equal(code, 130, stderr);
    const record = loadRecordSchema.parse(json());
    assert.equal(record.interrupted, true);
    assertContract(record);
    const files = readdirSync(join(box.folder, 'results'));
    assert.equal(files.length, 1, files.join());
    await assertNothingLeft(box);
  });

  it('a target that dies under load gives exit 3 and its partial record', async (t) => {
    const box = sandbox(t);
    await deployBare(box);
    const status = (await box.run(['status', '--json'])).json<{
      deployments: Array<{ detail: string }>;
    }>();
    const pid = Number(/pid (\d+)/.exec(status.deployments[0]!.detail)?.[1]);
    assert.ok(pid > 1, status.deployments[0]!.detail);
    const { child, result } = box.start([
      'load',
      'bare',
      '--duration',
      '5',
      '--connections',
      '2',
      '--json',
    ]);
    await matching(child, /closed loop/);
    await box.underLoad();
    setTimeout(() => process.kill(pid, 'SIGKILL'), 1000);
    const { code, stderr, json } = await result;
    assert.equal(code, 3, stderr);
    const record = loadRecordSchema.parse(json());
    assert.ok(record.counts.failed > 0);
    assertContract(record);
    assert.match(stderr, /TARGET_DIED/);
    assertUsedUntilItDied(record);
    assert.equal((await box.run(['down', '--all'])).code, 0);
    await assertNothingLeft(box);
  });

  it('after a SIGKILL of the CLI, down --all cleans up', async (t) => {
    const box = sandbox(t);
    const { child, result } = box.start(['load', 'bare', '--duration', '60', '--connections', '2']);
    await matching(child, /closed loop/);
    child.kill('SIGKILL');
    await result;
    const down = await box.run(['down', '--all', '--json']);
    assert.equal(down.code, 0, down.stderr);
    const { removed } = down.json<{ removed: string[] }>();
    assert.deepEqual(
      removed.map((text) => text.split(' ')[0]),
      ['bare', 'half-written'],
    );
    await assertNothingLeft(box);
  });

  it('a refused port is typed failures and exit 4', async (t) => {
    const box = sandbox(t);
    const port = await freePort();
    const result = await box.run([
      'load',
      '--url',
      `http://127.0.0.1:${port}/`,
      '--rate',
      '50',
      '--duration',
      '1',
      '--json',
    ]);
    assert.equal(result.code, 4, result.stderr);
    const record = loadRecordSchema.parse(result.json());
    assert.equal(record.counts.planned, 50);
    assert.equal(record.errors['ECONNREFUSED'], record.counts.failed);
  });

  it('an unmet threshold is exit 5, with the result in the record', async (t) => {
    const box = sandbox(t);
    const result = await box.run([
      'load',
      'bare',
      '--duration',
      '1',
      '--rate',
      '50',
      '--threshold',
      'p50<0.001ms',
      '--json',
    ]);
    assert.ok(result.code === 5 || result.code === 4, result.stderr);
    const record = loadRecordSchema.parse(result.json());
    assert.equal(record.thresholds?.[0]?.passed, false);
  });
});

/** What it used while it lived is kept; what needs a living process is unavailable, and not 0. */
function assertUsedUntilItDied({ resources }: LoadRecord): void {
  const { window, edges } = resources as Resources;
  assert.ok((window['workingSetPeakBytes'] as number) > 10_000_000);
  assert.ok('unavailable' in (window['pssBytes'] as object), JSON.stringify(window['pssBytes']));
  assert.match(JSON.stringify(edges['ready+30s']), /probe --settle/);
  // its cgroup is still there, and so are the counters of what it had used until then
  for (const key of ['cpuMs', 'cpuMsPer1000Requests', 'diskWrittenBytes']) {
    assert.match(JSON.stringify(window[key]), /have ended/, key);
  }
  const { memory } = edges['windowEnd'] as { memory: Record<string, unknown> };
  assert.match(JSON.stringify(memory['workingSetBytes']), /have ended/);
  for (const [key, value] of Object.entries(window)) {
    assert.ok(typeof value === 'number' ? Number.isFinite(value) : value.unavailable, key);
  }
}

function assertContract({ counts, latencyUs, windows, plan }: LoadRecord): void {
  assert.equal(counts.planned, counts.sent + counts.unsent);
  assert.equal(counts.sent, counts.answered + counts.failed + counts.open);
  assert.equal(
    windows.reduce((sum, window) => sum + window.answered, 0),
    counts.answered,
    'windows sum to the total',
  );
  assert.match(plan.sha256, /^[0-9a-f]{64}$/);
  const { p50, p90, p99, min, max, median } = latencyUs.response;
  assert.ok(min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max);
  assert.equal(median, p50);
}
