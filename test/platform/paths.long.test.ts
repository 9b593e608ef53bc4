/** `probe --paths` on real targets: every path is gone, measured and told. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { type ProbeRecord, probeRecordSchema } from '../../cli/record/schema.ts';
import { readRecord } from '../../cli/record/store.ts';
import { ownerTag } from '../../cli/targets/state.ts';
import { type CliResult, sandbox } from '../cli/run-cli.ts';
import { platformTest } from './require.ts';

const REQUESTS = 400; // enough for the CPU of a proxy to show: it is counted in steps of 10 ms
const SHORT = ['--trials', '1', '--rate', `${REQUESTS}`, '--duration', '1'];

/** 4: this host's generator was held up; the figures are then void, what was done is not. */
function recordOf(result: CliResult): ProbeRecord & { paths: NonNullable<ProbeRecord['paths']> } {
  assert.ok(result.code === 0 || result.code === 4, result.stderr);
  const record = probeRecordSchema.parse(result.json());
  assert.ok(record.paths);
  return { ...record, paths: record.paths };
}

function median(path: NonNullable<ProbeRecord['paths']>[number], figure: string): number {
  const { summary } = path.figures[figure]!;
  assert.ok('median' in summary, `${path.path} ${figure}: ${JSON.stringify(summary)}`);
  return summary.median as number;
}

describe('probe --paths', () => {
  it('bare has one path, measured under load, and the record is an ordinary probe record', async (t) => {
    const box = sandbox(t);
    const out = `${box.folder}/paths.json`;
    const record = recordOf(
      await box.run(['probe', 'bare', '--paths', ...SHORT, '--out', out, '--json']),
    );
    assert.deepEqual(
      record.paths.map(({ path, cheapest, ratios }) => ({ path, cheapest, ratios })),
      [{ path: 'loopback', cheapest: true, ratios: {} }],
    );
    assert.equal(record.target.path, 'loopback');
    assert.equal(record.trials.length, 1);
    const [path] = record.paths;
    const { counts } = path!.trials[0]!.latency;
    assert.equal(counts.planned, REQUESTS);
    assert.equal(counts.answered, REQUESTS);
    assert.ok(median(path!, 'firstValidReplyMs') > 0);
    assert.ok(median(path!, 'saturationPerSecond') > 50);
    const onDisk = readRecord(out);
    assert.equal(onDisk.kind, 'probe');
    assert.equal(onDisk.id, record.id);
    assert.deepEqual((await box.run(['status', '--json'])).json(), {
      deployments: [],
      unreadable: [],
    });
  });

  platformTest('docker', 'docker: the proxy’s CPU is charged to its path', async (t) => {
    const box = sandbox(t);
    const record = recordOf(await box.run(['probe', 'docker', '--paths', ...SHORT, '--json']));
    const byName = new Map(record.paths.map((path) => [path.path, path]));
    assert.ok(byName.has('host-network'));
    assert.equal(byName.size, 2);
    for (const { path, trials } of record.paths) {
      assert.equal(trials[0]!['observedPath'], path);
      assert.equal(trials[0]!.latency.counts.answered, REQUESTS);
      const { difference } = (trials[0]!['reconciliation'] as { latency: { difference: number } })
        .latency;
      assert.equal(difference, 0);
    }
    assert.equal(record.paths.filter(({ cheapest }) => cheapest).length, 1);
    const proxy = byName.get('docker-proxy');
    if (proxy) {
      const host = byName.get('host-network')!;
      const helpers = 'helpersCpuMsPer1000Requests';
      assert.ok(median(proxy, helpers) > median(host, helpers));
    } else assert.ok(byName.has('iptables'), [...byName.keys()].join(', '));
    const owner = ownerTag(box.env['SCRATCHPAD_STATE_DIR']);
    const left = ['ps', '-aq', '--filter', `label=dev.scratchpad.owner=${owner}`];
    assert.equal(execFileSync('docker', left, { encoding: 'utf8' }), '');
  });

  for (const [args, message] of [
    [['--paths', '--url', 'http://127.0.0.1:1/'], /--paths needs a target/],
    [['bare', '--paths', '--path', 'loopback'], /neither --mode nor --path/],
    [['bare', '--paths', '--mode', 'restart'], /neither --mode nor --path/],
    [['bare', '--rate', '50'], /--rate belongs to --paths/],
  ] as const) {
    it(`probe ${args.join(' ')} is exit 2`, async (t) => {
      const result = await sandbox(t).run(['probe', ...args]);
      assert.equal(result.code, 2, result.stderr);
      assert.match(result.stderr, message);
    });
  }
});
