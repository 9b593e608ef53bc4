/** A host with one CPU, which `taskset` makes of this one: every figure comes with the warning. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { LoadRecord } from '../../cli/record/schema.ts';
import { freePort } from '../../cli/targets/port.ts';
import { bin, sandbox } from '../cli/run-cli.ts';

const WARNING = /^only one CPU: generator and target take turns on it/;

test('with one CPU deploy and load say that generator and target share it', async (t) => {
  if (spawnSync('taskset', ['-c', '0', 'true']).status !== 0) return t.skip('no taskset here');
  const box = sandbox(t);
  const onOneCpu = <T>(...args: string[]): T => {
    const { stdout, stderr } = spawnSync(
      'taskset',
      ['-c', '0', process.execPath, bin, ...args, '--json'],
      { env: box.env, encoding: 'utf8', timeout: 60_000 },
    );
    assert.match(stderr, /! only one CPU/);
    return JSON.parse(stdout) as T;
  };
  const port = String(await freePort());
  const deployed = onOneCpu<{ warnings: string[] }>('deploy', 'bare', '--port', port);
  assert.ok(deployed.warnings.some((text) => WARNING.test(text)));

  const load = ['load', 'bare', '--rate', '20', '--duration', '1', '--warmup', '0'];
  const record = onOneCpu<LoadRecord>(...load);
  assert.ok(record.warnings.some((text) => WARNING.test(text)));
  const { generatorCpus, targetCpus } = record['pinning'] as Record<string, unknown>;
  assert.deepEqual([generatorCpus, targetCpus], [null, null]);
});
