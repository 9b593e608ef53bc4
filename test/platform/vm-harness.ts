/** Real machines for the tests of both providers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { benchLoad } from '../../cli/bench/bench-load.ts';
import { PATH_FIGURES, pathCosts } from '../../cli/bench/path-costs.ts';
import { measureLoad } from '../../cli/load/measure.ts';
import { loadScenario } from '../../cli/load/scenario.ts';
import { measureStartUp } from '../../cli/probe/start-up.ts';
import { isUnavailable } from '../../cli/record/measured.ts';
import { pathTrialSchema, type Resources, type StartUp } from '../../cli/record/schema.ts';
import type { Deployment } from '../../cli/targets/target.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { contract } from '../contract/contract.ts';
import { burst, queueStaysShort } from '../targets/burst.ts';
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
export function machineTests(
  provider: 'qemu' | 'vagrant',
  phaseNames: string[],
  lastly?: { name: string; body: (deployment: Deployment) => Promise<void> },
): void {
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
      const verified = await verifyInside(deployment, NEVER, { fresh: true });
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

    test('is not deployed a second time at its port: a clear error, and it runs on', async () => {
      const { port } = deployment.state.plan.options;
      await assert.rejects(here.deploy({ provider, port }), { code: 'ALREADY_DEPLOYED' });
      assert.equal((await fetch(deployment.url)).status, 200);
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

    test('the meter and libvirt say the same', async (t) => {
      if (provider !== 'vagrant') return t.skip('this machine is not libvirt’s');
      const meter = await deployment.meter();
      try {
        const { memory } = await meter.read({ expensive: true });
        // The machine goes on meanwhile: libvirt's figure lies between two of the meter's, which
        // come in steps of 20 ms.
        const cpuMs = async () => (await meter.read()).cpu.totalMs as number;
        const before = await cpuMs();
        const stats = domainStats(deployment.state.id);
        const said = stats('cpu.time') / 1e6;
        const after = await cpuMs();
        const apart = `${said} ms by libvirt, ${before} to ${after} ms by the meter`;
        assert.ok(said >= before - 20 && said <= after + 20, apart);
        // Resident are also the pages of libraries that others share, a part of which is in the PSS.
        const rss = stats('balloon.rss') * 1024;
        const pss = memory.pssBytes as number;
        assert.ok(pss < 1.01 * rss && pss > 0.9 * rss, `PSS ${pss}, resident ${rss}`);
      } finally {
        await meter.close();
      }
    });

    test('takes connections that come together: its path has no queue of one', async (t) => {
      const short = queueStaysShort();
      if (short) return t.skip(short);
      const { warnings } = deployment.state.plan;
      assert.ok(!warnings.some((warning) => warning.includes('accept queue')), `${warnings}`);
      const { hostname, port } = new URL(deployment.url);
      const replies = await burst(hostname, Number(port), { connections: 60, timeoutMs: 30_000 });
      assert.deepEqual(replies, Array(60).fill('HTTP/1.1 200 OK'));
    });

    test('a load by its path has every figure that `probe --paths` shows', async () => {
      const { load, resources, reconciliation } = await measureLoad({
        url: deployment.url,
        deployment,
        options: benchLoad({
          loop: { ratePerSecond: 20 },
          durationMs: 2_000,
          warmupMs: 1_000,
          seed: 1,
          scenario: await loadScenario('index'),
        }),
        generatorCpus: null,
        signal: NEVER,
      });
      assert.equal(load.counts.answered, 40, JSON.stringify(load.errors));
      assert.ok(!isUnavailable(reconciliation), JSON.stringify(reconciliation));
      assert.equal(reconciliation['difference'], 0);
      const once = { round: 1, slot: 1, startUp, latency: load, saturation: load, resources };
      const trial = pathTrialSchema.parse(once);
      const path = String(deployment.state.plan.path);
      const [cost] = pathCosts(new Map([[path, [trial]]]));
      for (const name of PATH_FIGURES) {
        const { summary } = cost!.figures[name]!;
        assert.ok(!isUnavailable(summary), `${name}: ${JSON.stringify(summary)}`);
      }
      // What was read of the guest at the edges, beside what the host is charged.
      const { edges, window } = resources as Resources;
      const settled = edges['settled'] as { memory: Record<string, unknown> };
      assert.equal(typeof settled.memory['guestUsedBytes'], 'number');
      assert.ok((window['cpuMs'] as number) > 0, JSON.stringify(window));
      assert.ok((window['hostUnattributedMs'] as number) >= 0, JSON.stringify(window));
      assert.ok((window['guestOverheadAfterBytes'] as number) > 0, JSON.stringify(window));
      // On the wire are headers too, and the warm-up.
      const [wire, payload] = [window['networkLoadSentBytes'], window['networkPayloadSentBytes']];
      assert.ok((wire as number) > (payload as number), JSON.stringify(window));
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

    if (lastly) test(lastly.name, () => lastly.body(deployment));

    test('goes without a trace', async () => {
      await deployment.destroy();
      here.assertNothingLeft();
      assert.deepEqual(domainsLeft(deployment.state.id), []);
    });
  });
}

/** `virsh domstats` of the domain that carries the id: figures by name. */
function domainStats(id: string): (name: string) => number {
  const virsh = (...args: string[]) =>
    execFileSync('virsh', ['-q', '-c', 'qemu:///system', ...args], { encoding: 'utf8' });
  const domain = virsh('list', '--name')
    .split('\n')
    .find((name) => name.includes(id));
  assert.ok(domain !== undefined, `no domain of ${id}`);
  const text = virsh('domstats', '--cpu-total', '--balloon', domain.trim());
  return (name) => {
    const value = new RegExp(`^ *${name.replace('.', '\\.')}=(\\d+)$`, 'm').exec(text)?.[1];
    assert.ok(value !== undefined, `no ${name} in\n${text}`);
    return Number(value);
  };
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
