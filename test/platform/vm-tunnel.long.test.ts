/** Vagrant's own way to a machine, `--path ssh-tunnel`: a tunnel through sshd. */
import assert from 'node:assert/strict';
import { findMarked, OWNER_MARKER } from '../../cli/targets/process-identity.ts';
import { ownerTag } from '../../cli/targets/state.ts';
import { platformTest } from './require.ts';
import { lab } from './targets-harness.ts';
import { domainsLeft, startUpOf } from './vm-harness.ts';

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
