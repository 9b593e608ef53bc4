import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineCgroup, machineGroups } from '../../cli/meters/machine-cgroup.ts';

test('cut at the machine: v2 under systemd', () => {
  const scope = '/machine.slice/machine-qemu\\x2d3\\x2dscratchpad.scope';
  assert.equal(machineGroups(`0::${scope}/libvirt/emulator\n`), `0::${scope}`);
});

test('cut at the machine: v1 without systemd, hierarchies without one left out', () => {
  const machine = '/machine/qemu-1-scratchpad.libvirt-qemu';
  const text = [
    `9:memory:${machine}`,
    `3:cpu:${machine}/emulator`,
    `2:cpuacct:${machine}/emulator`,
    '1:name=systemd:/',
    '0::/',
    '',
  ].join('\n');
  assert.equal(
    machineGroups(text),
    [`9:memory:${machine}`, `3:cpu:${machine}`, `2:cpuacct:${machine}`].join('\n'),
  );
});

test('another group is none of a machine, e.g. that of libvirtd itself or of a session', () => {
  for (const path of ['/', '/system.slice/libvirtd.service', '/user.slice/session-2.scope'])
    assert.equal(machineGroups(`0::${path}\n`), '');
  assert.equal(machineCgroup(process.pid), undefined);
});
