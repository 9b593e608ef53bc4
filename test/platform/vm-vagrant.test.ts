/** A real machine through Vagrant and libvirt, and what libvirt says where it does not run. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { runCommand } from '../../cli/targets/command.ts';
import { findMarked, OWNER_MARKER } from '../../cli/targets/process-identity.ts';
import { ownerTag } from '../../cli/targets/state.ts';
import { LIBVIRT_URI, Libvirt } from '../../cli/targets/vm/libvirt.ts';
import { platformTest } from './require.ts';
import { lab } from './targets-harness.ts';
import { domainsLeft, machineTests, startUpOf } from './vm-harness.ts';

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

describe('Vagrant’s other ways', () => {
  platformTest('vagrant', 'an SSH tunnel that was asked for is labelled, and closed', async (t) => {
    const { deploy, progress, assertNothingLeft } = lab(t, 'vm');
    const deployment = await deploy({ provider: 'vagrant', path: 'ssh-tunnel' });
    const { plan, id } = deployment.state;
    assert.equal(plan.path, 'ssh-tunnel');
    assert.ok(progress.warnings.some((warning) => warning.includes('ssh-tunnel')));
    await startUpOf(deployment);
    assert.equal((await fetch(deployment.url)).status, 200);
    assert.ok(findMarked(OWNER_MARKER, ownerTag()).length > 0, 'the tunnel is a process of ours');
    await deployment.destroy();
    assertNothingLeft();
    assert.deepEqual(domainsLeft(id), []);
  });

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
});
