import assert from 'node:assert/strict';
import { test } from 'node:test';
import { locateCgroup } from '../../cli/meters/cgroup-locate.ts';
import { parseCpuV1, parseMemoryV1 } from '../../cli/meters/cgroup-v1.ts';
import { parseCpuV2, parseIoV2, parseMemoryV2 } from '../../cli/meters/cgroup-v2.ts';
import { recorded } from './fixtures.ts';

const file = (name: string) => recorded(`cgroup-v2/${name}`);

test('the working set is the charge less inactive file pages', () => {
  const memory = parseMemoryV2(file('memory.current'), file('memory.stat'));
  assert.equal(memory.workingSetBytes, 56_324_096 - 7_098_368);
  assert.equal(memory.unreclaimableBytes, 47_607_808 + 0 + 1_290_240);
});

test('before Linux 5.18 kernel memory is the sum of its listed parts', () => {
  const old = file('memory.stat')
    .split('\n')
    .filter((line) => !line.startsWith('kernel '))
    .join('\n');
  const parts = 98_304 + 741_376 + 0 + 0 + 159_656;
  assert.equal(parseMemoryV2(file('memory.current'), old).unreclaimableBytes, 47_607_808 + parts);
});

test('CPU is in milliseconds, and user and system add up to all', () => {
  const cpu = parseCpuV2(file('cpu.stat'));
  assert.deepEqual(cpu, {
    totalMs: 11_959.099,
    userMs: 6876.379,
    systemMs: 5082.719,
    throttledMs: 0,
  });
});

test('without the cpu controller there is CPU time but no throttling figure', () => {
  const cpu = parseCpuV2('usage_usec 1000\nuser_usec 600\nsystem_usec 400\n');
  assert.equal(cpu.totalMs, 1);
  assert.equal(cpu.throttledMs, undefined);
  assert.throws(() => parseCpuV2('nr_periods 0\n'), /no usage_usec/);
});

test('disk figures are summed over devices', () => {
  assert.deepEqual(parseIoV2(file('io.stat')), {
    readBytes: 56_320 + 7_068_672,
    writtenBytes: 201_001_984,
    readOps: 36 + 75,
    writeOps: 194,
  });
});

test('a disk under a stacked device is not counted again', () => {
  const stat = '253:0 rbytes=10 wbytes=20 rios=1 wios=2\n8:0 rbytes=10 wbytes=20 rios=1 wios=2\n';
  const below = (device: string, all: readonly string[]) =>
    device === '8:0' && all.includes('253:0');
  assert.equal(parseIoV2(stat, below).writtenBytes, 20);
  assert.equal(parseIoV2('8:0 rbytes=10 wbytes=20 rios=1 wios=2\n', below).writtenBytes, 20);
});

test('an empty io.stat is no traffic, and a device line without figures is passed over', () => {
  assert.equal(parseIoV2('').writtenBytes, 0);
  assert.equal(parseIoV2('8:0 \n8:16 rbytes=5 wbytes=7\n').writtenBytes, 7);
});

test('the group of a process in a v2-only host is found', () => {
  assert.deepEqual(locateCgroup(recorded('proc/pid-cgroup-v2'), recorded('proc/mountinfo-v2')), {
    v2: { folder: '/sys/fs/cgroup/scratchpad/bare-1' },
  });
});

test('v1 and v2 files of the same state give the same figures under the same names', () => {
  // One state, written down in both formats.
  const v1 = {
    ...parseMemoryV1(
      '56324096',
      'total_inactive_file 7098368\ntotal_rss 47607808\ntotal_shmem 0\n',
      '1290240',
    ),
    ...parseCpuV1('11959099000', 'user 688\nsystem 508\n'),
  };
  const v2 = {
    ...parseMemoryV2(file('memory.current'), file('memory.stat')),
    ...parseCpuV2(file('cpu.stat')),
  };
  assert.equal(v1.workingSetBytes, v2.workingSetBytes);
  assert.equal(v1.unreclaimableBytes, v2.unreclaimableBytes);
  assert.equal(v1.totalMs, v2.totalMs);
  // v1 knows user and system in steps of 10 ms only.
  assert.ok(Math.abs(v1.userMs - v2.userMs) < 10);
  assert.ok(Math.abs(v1.systemMs - v2.systemMs) < 10);
});
