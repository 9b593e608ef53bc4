import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  allowedCpus,
  type CpuTopology,
  choose,
  choosePinning,
  formatCpuList,
  parseCpuList,
  pinDeployment,
  pinSelf,
} from '../../cli/host/pinning.ts';
import { openMeter } from '../../cli/meters/open.ts';

function topology(cores: number[][], platform: NodeJS.Platform = 'linux'): CpuTopology {
  const coreOf = new Map(cores.flatMap((core) => core.map((cpu) => [cpu, core.join()] as const)));
  return { platform, allowed: [...coreOf.keys()].sort((a, b) => a - b), coreOf };
}

test('with two cores each gets one, the target the first', () => {
  assert.deepEqual(choose({ cpus: 1 }, topology([[0], [1]])), {
    generatorCpus: [1],
    targetCpus: [0],
  });
});

test('the target gets as many CPUs as its ceiling, rounded up', () => {
  const host = topology([[0], [1], [2], [3]]);
  assert.deepEqual(choose({ cpus: 2 }, host).targetCpus, [0, 1]);
  assert.deepEqual(choose({ cpus: 1.5 }, host).targetCpus, [0, 1]);
  assert.deepEqual(choose({ cpus: 0.5 }, host).targetCpus, [0]);
});

test('a ceiling above what is left is said', () => {
  const pinning = choose({ cpus: 2 }, topology([[0], [1]]));
  assert.deepEqual(pinning.targetCpus, [0]);
  assert.match(pinning.warning!, /may use 2 CPUs but 1 is left/);
});

test('with one CPU nothing is pinned and the reader is warned', () => {
  const pinning = choose({ cpus: 1 }, topology([[0]]));
  assert.equal(pinning.generatorCpus, null);
  assert.equal(pinning.targetCpus, null);
  assert.match(pinning.warning!, /only one CPU/);
});

test('generator and target never share a core where there are two', () => {
  const pinning = choose(
    { cpus: 2 },
    topology([
      [0, 4],
      [1, 5],
      [2, 6],
      [3, 7],
    ]),
  );
  assert.deepEqual(pinning.generatorCpus, [3]);
  assert.deepEqual(pinning.targetCpus, [0, 1]);
});

test('siblings are used by the target only when its cores have run out', () => {
  const pinning = choose(
    { cpus: 3 },
    topology([
      [0, 2],
      [1, 3],
    ]),
  );
  assert.deepEqual(pinning.generatorCpus, [1]);
  assert.deepEqual(pinning.targetCpus, [0, 2]);
  assert.match(pinning.warning!, /may use 3 CPUs but 2 are left/);
});

test('two threads of one core are pinned apart, with a warning', () => {
  const pinning = choose({ cpus: 1 }, topology([[0, 1]]));
  assert.deepEqual(pinning.generatorCpus, [1]);
  assert.deepEqual(pinning.targetCpus, [0]);
  assert.match(pinning.warning!, /share one physical core/);
});

test('more generator workers get more cores, but one is always left for the target', () => {
  const host = topology([[0], [1], [2]]);
  assert.deepEqual(choose({ cpus: 1, generatorCpus: 2 }, host).generatorCpus, [1, 2]);
  assert.deepEqual(choose({ cpus: 1, generatorCpus: 9 }, host).targetCpus, [0]);
});

test('more generator workers never take what the target may use', () => {
  const host = topology([[0], [1], [2], [3]]);
  assert.deepEqual(choose({ cpus: 2, generatorCpus: 4 }, host), {
    generatorCpus: [2, 3],
    targetCpus: [0, 1],
  });
});

test('where the cores run out, further workers get the siblings of the generator’s own', () => {
  const host = topology([
    [0, 2],
    [1, 3],
  ]);
  assert.deepEqual(choose({ cpus: 1, generatorCpus: 2 }, host), {
    generatorCpus: [1, 3],
    targetCpus: [0],
  });
});

test('only CPUs that this process may use are given out', () => {
  const pinning = choose({ cpus: 1 }, topology([[4], [9]]));
  assert.deepEqual(pinning, { generatorCpus: [9], targetCpus: [4] });
});

test('other systems than Linux are left alone', () => {
  const pinning = choose({ cpus: 1 }, topology([[0], [1]], 'darwin'));
  assert.equal(pinning.generatorCpus, null);
  assert.match(pinning.warning!, /no CPU pinning on darwin/);
});

test('the kernel’s CPU lists are read and written', () => {
  assert.deepEqual(parseCpuList('0-3,8,10-11\n'), [0, 1, 2, 3, 8, 10, 11]);
  assert.deepEqual(parseCpuList(''), []);
  assert.equal(formatCpuList([0, 2, 3]), '0,2,3');
});

test('this process is pinned with all its threads, and put back', async (t) => {
  const before = allowedCpus();
  if (process.platform !== 'linux' || before === undefined) return t.skip('no /proc/self/status');
  const cpu = before.at(-1)!;
  const pinned = await pinSelf([cpu]);
  assert.deepEqual(allowedCpus(), [cpu]);
  await pinned.unpin();
  assert.deepEqual(allowedCpus(), before);
});

test('a deployment that runs is pinned, and one that can’t be is said not to be', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /proc here');
  const [cpu] = allowedCpus()!;
  const child = spawn('sleep', ['30']);
  t.after(() => child.kill());
  const deployment = { meter: () => openMeter({ kind: 'process-tree', rootPid: child.pid! }) };
  assert.equal(await pinDeployment(deployment, [cpu!]), null);
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  assert.match(status, new RegExp(`^Cpus_allowed_list:\\s*${cpu}$`, 'm'));
  assert.match(
    (await pinDeployment(deployment, [4095]))!,
    /not pinned: .*can't be bound to CPU 4095/,
  );
});

test('helpers go where the target goes', async (t) => {
  if (process.platform !== 'linux') return t.skip('no /proc here');
  const [cpu] = allowedCpus()!;
  const [target, proxy] = [spawn('sleep', ['30']), spawn('sleep', ['30'])];
  t.after(() => {
    target.kill();
    proxy.kill();
  });
  const helpers = [{ name: 'docker-proxy', pid: proxy.pid! }];
  const meter = () => openMeter({ kind: 'process-tree', rootPid: target.pid!, helpers });
  assert.equal(await pinDeployment({ meter }, [cpu!]), null);
  const status = readFileSync(`/proc/${proxy.pid}/status`, 'latin1');
  assert.match(status, new RegExp(`^Cpus_allowed_list:\\s*${cpu}$`, 'm'));
});

test('the choice for this host is one of its own CPUs', async () => {
  const { generatorCpus, targetCpus } = await choosePinning({ cpus: 1 });
  if (generatorCpus === null || targetCpus === null) return;
  const allowed = allowedCpus()!;
  for (const cpu of [...generatorCpus, ...targetCpus]) assert.ok(allowed.includes(cpu));
  assert.ok(!generatorCpus.some((cpu) => targetCpus.includes(cpu)));
});
