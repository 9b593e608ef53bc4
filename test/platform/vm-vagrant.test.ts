/** A real machine through Vagrant and libvirt, and what libvirt says where it does not run. */
import assert from 'node:assert/strict';
import { runCommand } from '../../cli/targets/command.ts';
import { LIBVIRT_URI, Libvirt } from '../../cli/targets/vm/libvirt.ts';
import { platformTest } from './require.ts';
import { machineTests } from './vm-harness.ts';

machineTests('vagrant', [
  'vagrant: until the domain starts',
  'VMM start',
  'kernel',
  'initramfs',
  'systemd',
  'service to listening',
  'guest: kernel and initramfs',
  'guest: systemd to service',
  'vagrant: until SSH answers',
]);

platformTest('vagrant', 'libvirt that does not run is told with what starts it', async () => {
  // virsh itself, at a socket that nobody listens on: the daemon of this host is left alone
  const nowhere = `${LIBVIRT_URI}?socket=/nonexistent/libvirt-sock`;
  const libvirt = new Libvirt((file, args, options) =>
    runCommand(
      file,
      args.map((arg) => (arg === LIBVIRT_URI ? nowhere : arg)),
      options,
    ),
  );
  const fault = await libvirt.fault();
  assert.equal(fault?.code, 'VM_PROVIDER_ABSENT');
  assert.match(fault?.reason ?? '', /^the libvirt daemon does not run: .*libvirt-sock/s);
  assert.match(fault?.hint ?? '', /libvirtd/);
});
