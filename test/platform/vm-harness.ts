/** Real machines for the tests of both providers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { measureStartUp } from '../../cli/probe/start-up.ts';
import { isUnavailable } from '../../cli/record/measured.ts';
import type { StartUp } from '../../cli/record/schema.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { contract } from '../contract/contract.ts';
import { NEVER } from '../targets/harness.ts';
import { platform } from './require.ts';
import { type Lab, lab } from './targets-harness.ts';

const MIB = 1024 * 1024;

export async function startUpOf(deployment: Deployment): Promise<StartUp> {
  return measureStartUp(deployment, { mode: 'warm', signal: NEVER, memory: false });
}

/** Why it cannot run here; where SCRATCHPAD_REQUIRE names it, it runs and fails. */
function skipReason(requirement: 'vm' | 'vagrant'): string | false {
  const check = platform(requirement);
  const required = (process.env['SCRATCHPAD_REQUIRE'] ?? '').split(',').includes(requirement);
  return check.ok || required ? false : `${requirement}: ${check.reason}`;
}

/** One machine, booted once and once more, held to everything that a deployment promises. */
export function machineTests(provider: 'qemu' | 'vagrant', phaseNames: string[]): void {
  const skip = skipReason(provider === 'qemu' ? 'vm' : 'vagrant');
  const nonce = `contract-on-${provider}`;

  describe(`a machine of ${provider}`, { skip }, () => {
    const ends: Array<() => unknown> = [];
    let here: Lab;
    let deployment: Deployment;
    let startUp: StartUp;

    before(async () => {
      here = lab({ after: (end) => void ends.push(end as () => unknown) }, 'vm');
      deployment = await here.deploy({ provider, nonce });
      startUp = await startUpOf(deployment);
    });
    after(async () => {
      await deployment?.destroy();
      for (const end of ends) await end();
    });

    test('is a machine of its own, and runs the one artifact', async () => {
      const reply = await fetch(new URL('/readyz', deployment.url));
      const { host } = (await reply.json()) as { host: { bootId: string; kernel: string } };
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      assert.notEqual(host.bootId, bootId);
      assert.notEqual(host.kernel, release());
      assert.match(host.kernel, /^\d+\.\d+/);
      const verified = await verifyInside(deployment);
      assert.equal(verified.artifactSha256, deployment.state.prepared?.artifactSha256);
      assert.equal(verified.runtimeSha256, deployment.state.prepared?.runtimeSha256);
    });

    test('names its provider, path and acceleration, and says emulated where it is', () => {
      const { plan } = deployment.state;
      assert.equal(plan.provider, provider);
      assert.equal(plan.path, 'hostfwd');
      assert.match(String(plan.providerReason), new RegExp(provider));
      const emulated = plan.warnings.some((warning) => warning.includes('emulated (tcg)'));
      assert.equal(emulated, plan.acceleration === 'tcg');
      if (plan.acceleration === 'tcg') {
        assert.ok(here.progress.warnings.some((warning) => warning.includes('emulated')));
      }
    });

    test('tells its start in phases without a gap, the last before the first valid reply', () => {
      const onHost = startUp.phases.filter(({ source }) => source === 'serial console');
      assert.deepEqual(
        startUp.phases.map(({ name }) => name),
        phaseNames,
      );
      for (const [index, phase] of onHost.slice(1).entries()) {
        assert.equal(phase.startMs, onHost[index]!.endMs);
        assert.ok(phase.endMs > phase.startMs, phase.name);
      }
      assert.ok(onHost.at(-1)!.endMs <= startUp.firstHitMs);
      // the guest's clock and the host's agree on how long the kernel took, within a second
      const kernelMs = onHost[2]!.endMs - onHost[0]!.endMs;
      const guest = startUp.phases.find(({ name }) => name === 'guest: kernel and initramfs')!;
      assert.ok(Math.abs(kernelMs - (guest.endMs - guest.startMs)) < 1_000 + 0.25 * kernelMs);
    });

    test('is read by one meter: the host’s charge, and the guest’s own view below its RAM', async () => {
      const meter = await deployment.meter();
      try {
        const first = await meter.read({ expensive: true });
        await fetch(deployment.url);
        const { memory, cpu } = await meter.read({ expensive: true });
        const bytes = (value: unknown): number => {
          assert.equal(typeof value, 'number', JSON.stringify(value));
          return value as number;
        };
        assert.ok(bytes(memory.workingSetBytes) > 64 * MIB);
        assert.ok(bytes(memory.guestUsedBytes) > 16 * MIB);
        assert.ok(bytes(memory.guestUsedBytes) < 1024 * MIB);
        assert.ok(bytes(cpu.totalMs) > bytes(first.cpu.totalMs));
      } finally {
        await meter.close();
      }
    });

    test('says what it stores: a shared system and a small disk of its own', async () => {
      const { parts } = await deployment.storage();
      const sum = (kind: string) =>
        parts
          .filter((part) => part.kind === kind)
          .reduce((total, { allocatedBytes }) => {
            assert.ok(!isUnavailable(allocatedBytes), JSON.stringify(allocatedBytes));
            return total + allocatedBytes;
          }, 0);
      assert.ok(sum('shared') > 100 * MIB);
      assert.ok(sum('marginal') > 0 && sum('marginal') < 100 * MIB);
    });

    contract(`the workload in a machine of ${provider}`, () => deployment.url, { nonce });

    test('stops in order, keeps its data, and starts again', async () => {
      const body = new URLSearchParams({ title: 'Kept over a power-off', content: 'x' });
      const posted = await fetch(new URL('/create', deployment.url), {
        method: 'POST',
        body,
        redirect: 'manual',
      });
      assert.ok(posted.status < 400, String(posted.status));
      const { durationMs } = await deployment.stop();
      assert.ok(durationMs > 0);
      assert.match(await deployment.logs(200), /"event":"stopped".*"signal":"SIGTERM"/);
      assert.equal((await deployment.liveness()).alive, false);
      await assert.rejects(fetch(deployment.url));
      await deployment.restart();
      const again = await startUpOf(deployment);
      assert.deepEqual(
        again.phases.map(({ name }) => name),
        phaseNames,
      );
      assert.match(await (await fetch(deployment.url)).text(), /Kept over a power-off/);
    });

    test('goes without a trace', async () => {
      await deployment.destroy();
      here.assertNothingLeft();
      assert.deepEqual(domainsLeft(deployment.state.id), []);
    });
  });
}

/** libvirt's domains and volumes that carry the id; none where there is no libvirt. */
export function domainsLeft(id: string): string[] {
  const virsh = (...args: string[]) => {
    try {
      return execFileSync('virsh', ['-q', '-c', 'qemu:///system', ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch {
      return '';
    }
  };
  return `${virsh('list', '--all', '--name')}\n${virsh('vol-list', 'default')}`
    .split('\n')
    .filter((line) => line.includes(id));
}
