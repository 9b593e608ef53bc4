import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseDiskStats,
  parseHostCpu,
  parseNetworkDevices,
  parseProcessIo,
  parseProcessMemory,
  parseProcessStat,
  parsePssBytes,
} from '../../cli/meters/procfs.ts';
import { recorded } from './fixtures.ts';

test('a process stat gives name, parent, CPU in milliseconds and start', () => {
  assert.deepEqual(parseProcessStat(recorded('proc/pid-stat')), {
    pid: 32675,
    name: 'python3',
    state: 'R',
    parentPid: 32667,
    userMs: 410,
    systemMs: 390,
    childUserMs: 170,
    childSystemMs: 250,
    startTicks: 164427,
  });
});

test('a process name with spaces and parentheses does not shift the fields', () => {
  const line = recorded('proc/pid-stat').replace('(python3)', '(a) R 1 (b c)');
  const stat = parseProcessStat(line);
  assert.equal(stat.name, 'a) R 1 (b c');
  assert.equal(stat.parentPid, 32667);
  assert.equal(stat.userMs, 410);
});

test('what is no stat line is refused', () => {
  assert.throws(() => parseProcessStat('cpu 1 2 3'), /not a \/proc\/PID\/stat line/);
});

test('written bytes are those dirtied less those cancelled', () => {
  assert.deepEqual(parseProcessIo(recorded('proc/pid-io')), {
    readBytes: 208_896,
    writtenBytes: 10_489_856,
  });
  assert.equal(parseProcessIo('write_bytes: 100\ncancelled_write_bytes: 30\n').writtenBytes, 70);
});

test('more cancelled than written is none written, not a negative number', () => {
  assert.equal(parseProcessIo('write_bytes: 0\ncancelled_write_bytes: 4096\n').writtenBytes, 0);
});

test('process memory is resident, anonymous, shared and the peak, in bytes', () => {
  assert.deepEqual(parseProcessMemory(recorded('proc/pid-status')), {
    rssBytes: 70_780 * 1024,
    anonymousBytes: 55_736 * 1024,
    sharedMemoryBytes: 8192 * 1024,
    peakRssBytes: 80_724 * 1024,
  });
});

test('a process without memory has no figures instead of zeros', () => {
  assert.equal(parseProcessMemory('Name:\tkthreadd\nState:\tS (sleeping)\n'), undefined);
});

test('PSS is read from the roll-up and not from its parts', () => {
  assert.equal(parsePssBytes(recorded('proc/pid-smaps_rollup')), 68_630 * 1024);
  assert.throws(() => parsePssBytes('Pss_Anon: 5 kB\n'), /no Pss line/);
});

test('network devices are read without loopback', () => {
  const devices = parseNetworkDevices(recorded('proc/net-dev'));
  assert.ok(!devices.has('lo'));
  assert.ok(devices.has('eth0'));
  const eth0 = devices.get('eth0')!;
  assert.ok(eth0.receivedBytes > eth0.sentBytes);
});

test('host CPU is idle and steal, and how many CPUs there are', () => {
  assert.deepEqual(parseHostCpu(recorded('proc/stat')), {
    idleMs: (212_524 + 1978) * 10,
    stealMs: 0,
    cpus: 2,
  });
});

test('steal is apart from idle', () => {
  const cpu = parseHostCpu(
    'cpu  100 10 50 700 40 5 5 90 60 0\ncpu0 100 10 50 700 40 5 5 90 60 0\n',
  );
  assert.deepEqual(cpu, { idleMs: 7400, stealMs: 900, cpus: 1 });
});

test('disk statistics count sectors of 512 bytes, by device number', () => {
  const vda = parseDiskStats(recorded('proc/diskstats')).get('254:0');
  assert.deepEqual(vda, {
    name: 'vda',
    readOps: 127_851,
    readBytes: 6_542_874 * 512,
    writeOps: 98_409,
    writtenBytes: 10_027_328 * 512,
  });
});
