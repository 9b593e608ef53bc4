/** A real machine through Vagrant and libvirt. */
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
