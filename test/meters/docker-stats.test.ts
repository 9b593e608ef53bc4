import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerStats, figuresOfStats } from '../../cli/meters/docker-stats.ts';
import { recorded } from './fixtures.ts';

const V1 = JSON.parse(recorded('engine-api/stats-v1.json')) as ContainerStats;

/** The same container as an engine on cgroup v2 would report it: Docker Engine API, ContainerStats. */
const V2: ContainerStats = {
  cpu_stats: {
    cpu_usage: {
      total_usage: 7_000_000_000,
      usage_in_usermode: 5_000_000_000,
      usage_in_kernelmode: 2_000_000_000,
    },
    throttling_data: { throttled_time: 3_000_000 },
  },
  memory_stats: {
    usage: 50_000_000,
    stats: {
      anon: 30_000_000,
      file: 8_000_000,
      shmem: 1_000_000,
      kernel: 2_000_000,
      inactive_file: 6_000_000,
    },
  },
  blkio_stats: {
    io_service_bytes_recursive: [
      { op: 'read', value: 1000 },
      { op: 'write', value: 2000 },
      { op: 'write', value: 500 },
    ],
    io_serviced_recursive: null,
  },
  networks: { eth0: { rx_bytes: 10, tx_bytes: 20 }, eth1: { rx_bytes: 1, tx_bytes: 2 } },
};

test('on cgroup v1 the figures are those of the engine, in our units', () => {
  const { memory, cpu, network } = figuresOfStats(V1);
  assert.equal(memory.workingSetBytes, 42_520_576);
  assert.equal(memory.peakBytes, 234_573_824);
  assert.deepEqual(cpu, { totalMs: 7102.7624, userMs: 5350, systemMs: 1740, throttledMs: 1.92038 });
  assert.deepEqual(network, { receivedBytes: 100_176_780, sentBytes: 102_259_020 });
});

test('on cgroup v1 written bytes are not known to the engine, and that is said', () => {
  const { disk, memory } = figuresOfStats(V1);
  assert.deepEqual(disk.writtenBytes, {
    unavailable: 'cgroup v1 charges write-back to the root group',
  });
  assert.deepEqual(memory.unreclaimableBytes, {
    unavailable: 'the engine leaves out kernel memory on cgroup v1',
  });
});

test('on cgroup v2 the same names hold the same quantities', () => {
  const { memory, cpu, disk, network } = figuresOfStats(V2);
  assert.equal(memory.workingSetBytes, 44_000_000);
  assert.equal(memory.unreclaimableBytes, 33_000_000);
  assert.equal(cpu.totalMs, 7000);
  assert.equal(cpu.throttledMs, 3);
  assert.equal(disk.readBytes, 1000);
  assert.equal(disk.writtenBytes, 2500);
  assert.deepEqual(network, { receivedBytes: 11, sentBytes: 22 });
});

test('a stopped container has no figures instead of zeros', () => {
  const stopped = figuresOfStats({
    cpu_stats: { cpu_usage: { total_usage: 0 } },
    memory_stats: {},
  });
  for (const figure of [
    stopped.memory.workingSetBytes,
    stopped.cpu.totalMs,
    stopped.disk.readBytes,
  ])
    assert.match((figure as { unavailable: string }).unavailable, /not running/);
});
