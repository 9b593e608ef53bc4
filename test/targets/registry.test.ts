import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newDeployOptions } from '../../cli/targets/options.ts';
import { loadTarget, targetNames } from '../../cli/targets/registry.ts';
import { bridgeFault } from '../../cli/targets/vm/bridge.ts';

describe('the registry', () => {
  it('loads each target under its own name', async () => {
    assert.deepEqual(targetNames(), ['bare', 'docker', 'vm']);
    for (const name of targetNames()) assert.equal((await loadTarget(name)).name, name);
  });

  it('bare and each provider of vm say their paths, and plan accepts each', async () => {
    const limits = { profile: 'equal', cpus: 1, memoryBytes: 2 ** 30 } as const;
    for (const [name, provider, expected] of [
      ['bare', null, ['loopback']],
      ['vm', 'qemu', bridgeFault() === null ? ['hostfwd', 'bridge'] : ['hostfwd']],
      ['vm', 'vagrant', ['hostfwd', 'ssh-tunnel']],
    ] as const) {
      const target = await loadTarget(name);
      const paths = await target.paths!(provider);
      assert.deepEqual(paths, expected);
      for (const path of paths) {
        const options = newDeployOptions({ provider, path, limits });
        assert.equal((await target.plan(options)).path, path);
      }
    }
  });

  it('parts of a CPU: QEMU’s machine has a cgroup for them, Vagrant’s refuses them', async () => {
    const vm = await loadTarget('vm');
    const limits = { profile: 'custom', cpus: 0.5, memoryBytes: 2 ** 30 } as const;
    await assert.rejects(vm.plan(newDeployOptions({ provider: 'vagrant', limits })), {
      code: 'BAD_FLAG',
      message: /whole CPUs, not 0\.5/,
      hint: /--provider qemu/,
    });
    const { options } = await vm.plan(newDeployOptions({ provider: 'qemu', limits }));
    assert.equal(options.limits.cpus, 0.5);
  });

  for (const [typed, hint] of [
    ['dokcer', /Did you mean "docker"\?/],
    ['bear', /Did you mean "bare"\?/],
    ['kubernetes', /The targets are: bare, docker, vm/],
    ['constructor', /The targets are/],
    ['__proto__', /The targets are/],
  ] as const) {
    it(`"${typed}" is unknown, exit 2, with a hint`, async () => {
      await assert.rejects(
        loadTarget(typed),
        (error: Error & { code: string; exitCode: number; hint: string }) => {
          assert.equal(error.code, 'UNKNOWN_TARGET');
          assert.equal(error.exitCode, 2);
          assert.match(error.hint, hint);
          return true;
        },
      );
    });
  }
});
