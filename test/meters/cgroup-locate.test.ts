import assert from 'node:assert/strict';
import { test } from 'node:test';
import { locateCgroup } from '../../cli/meters/cgroup-locate.ts';
import { recorded } from './fixtures.ts';

const HYBRID = recorded('proc/mountinfo-hybrid');
const V2_ONLY =
  '35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n';

test('on a hybrid host the v1 hierarchies are used, each by its own path', () => {
  assert.deepEqual(locateCgroup(recorded('proc/pid-cgroup-v1'), HYBRID), {
    v1: {
      memory: '/sys/fs/cgroup/memory/scratchpad/bare-1/child',
      cpuacct: '/sys/fs/cgroup/cpuacct/scratchpad/bare-1/child',
      cpu: '/sys/fs/cgroup/cpu/scratchpad/bare-1/child',
      blkio: '/sys/fs/cgroup/blkio/scratchpad/bare-1/child',
    },
  });
});

test('controllers that are mounted together share one folder', () => {
  const mounts =
    '40 30 0:35 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n' +
    '41 30 0:36 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n';
  const groups = '3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n0::/system.slice/x\n';
  const v1 = locateCgroup(groups, mounts)?.v1;
  assert.equal(v1?.cpu, '/sys/fs/cgroup/cpu,cpuacct/docker/abc');
  assert.equal(v1?.cpuacct, '/sys/fs/cgroup/cpu,cpuacct/docker/abc');
  assert.equal(v1?.memory, '/sys/fs/cgroup/memory/docker/abc');
  assert.equal(v1?.blkio, undefined);
});

test('v2 with the systemd driver is a scope, with the cgroupfs driver a plain folder', () => {
  assert.deepEqual(locateCgroup('0::/system.slice/docker-abc.scope\n', V2_ONLY), {
    v2: { folder: '/sys/fs/cgroup/system.slice/docker-abc.scope' },
  });
  assert.deepEqual(locateCgroup('0::/docker/abc\n', V2_ONLY), {
    v2: { folder: '/sys/fs/cgroup/docker/abc' },
  });
});

test('a hierarchy of which only a part is mounted is entered at that part', () => {
  const inContainer = '50 40 0:30 /docker/me /sys/fs/cgroup rw - cgroup2 cgroup rw\n';
  assert.deepEqual(locateCgroup('0::/docker/me/worker\n', inContainer), {
    v2: { folder: '/sys/fs/cgroup/worker' },
  });
  assert.deepEqual(locateCgroup('0::/docker/me\n', inContainer), {
    v2: { folder: '/sys/fs/cgroup' },
  });
  assert.equal(locateCgroup('0::/docker/other\n', inContainer), undefined);
  assert.equal(locateCgroup('0::/docker/menace\n', inContainer), undefined);
});

test('the root group is refused: its figures are those of the whole host', () => {
  assert.equal(locateCgroup('0::/\n', V2_ONLY), undefined);
  assert.equal(locateCgroup('4:memory:/\n2:cpuacct:/\n0::/\n', HYBRID), undefined);
});

test('octal escapes of a mount point are undone', () => {
  const mounts = '35 24 0:30 / /sys/fs/c\\040group rw - cgroup2 cgroup2 rw\n';
  assert.equal(locateCgroup('0::/a\n', mounts)?.v2?.folder, '/sys/fs/c group/a');
});
