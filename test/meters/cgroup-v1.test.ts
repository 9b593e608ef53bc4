import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseCount,
  parseCpuV1,
  parseMemoryV1,
  parseServicedV1,
  parseThrottledV1,
} from '../../cli/meters/cgroup-v1.ts';
import { recorded } from './fixtures.ts';

const file = (name: string) => recorded(`cgroup-v1/${name}`);

test('the working set is the charge less inactive file pages, descendants included', () => {
  const memory = parseMemoryV1(
    file('memory.usage_in_bytes'),
    file('memory.stat'),
    file('memory.kmem.usage_in_bytes'),
  );
  assert.equal(memory.workingSetBytes, 77_398_016 - 10_575_872);
  // The process had touched 50,000,000 private and 8,388,608 shared bytes.
  assert.equal(memory.unreclaimableBytes, 57_073_664 + 8_388_608 + 569_344);
  assert.ok(memory.unreclaimableBytes > 50_000_000 + 8_388_608);
});

test('without kernel memory accounting its part is none', () => {
  const memory = parseMemoryV1(file('memory.usage_in_bytes'), file('memory.stat'), undefined);
  assert.equal(memory.unreclaimableBytes, 57_073_664 + 8_388_608);
});

test('a charge that drifts below the inactive pages is an empty working set', () => {
  assert.equal(parseMemoryV1('4096', 'total_inactive_file 8192', undefined).workingSetBytes, 0);
});

test('CPU is nanoseconds in all and ticks by kind, and the kinds add up to it', () => {
  const cpu = parseCpuV1(file('cpuacct.usage'), file('cpuacct.stat'));
  assert.equal(cpu.totalMs, 1220.657977);
  assert.equal(cpu.userMs, 570);
  assert.equal(cpu.systemMs, 650);
  assert.ok(Math.abs(cpu.totalMs - cpu.userMs - cpu.systemMs) <= 20);
});

test('throttled time is read in milliseconds', () => {
  assert.equal(parseThrottledV1(file('cpu.stat')), 4535.716714);
  assert.throws(() => parseThrottledV1('usage_usec 5\n'), /no throttled_time/);
});

test('an empty blkio file means not counted, and not no operations', () => {
  assert.equal(parseServicedV1(file('blkio.throttle.io_serviced_recursive')), undefined);
});

test('blkio operations are summed over devices', () => {
  const text = ['8:0 Read 10', '8:0 Write 20', '8:0 Sync 1', '8:16 Read 5', 'Total 36', ''].join(
    '\n',
  );
  assert.deepEqual(parseServicedV1(text), { readOps: 15, writeOps: 20 });
});

test('an empty or broken count is an error and not zero', () => {
  assert.throws(() => parseCount(''), /not a number/);
  assert.throws(() => parseCount('max'), /not a number/);
  assert.equal(parseCount('12\n'), 12);
});
