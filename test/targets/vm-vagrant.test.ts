/** Vagrant's side: its settings, its Vagrantfile on every provider, its errors in words. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { infraFolder } from '../../cli/host/paths.ts';
import type { Run } from '../../cli/targets/command.ts';
import { newDeployOptions } from '../../cli/targets/options.ts';
import { faultOf, Libvirt, type VolumeRequest } from '../../cli/targets/vm/libvirt.ts';
import { errorsIn, vagrantFailed } from '../../cli/targets/vm/vagrant-machine.ts';
import { type SettingsRequest, vagrantSettings } from '../../cli/targets/vm/vagrant-settings.ts';
import { NEVER, result } from './harness.ts';

const request: SettingsRequest = {
  id: '0123456789',
  owner: 'abcdef',
  options: newDeployOptions({ id: '0123456789', port: 5099, cpuSet: [0, 1] }),
  acceleration: 'tcg',
  architecture: 'amd64',
  box: 'scratchpad-box-1',
  kernel: '/pool/vmlinux',
  initrd: '/pool/initrd.img',
  privateKey: '/state/ssh-key',
  consoleLog: '/state/console.log',
  tunnel: false,
  commandLine: (mac) => `console=ttyS0 scratchpad.mac=${mac}`,
};

describe('the settings for Vagrant', () => {
  test('carry the same ceilings as the other targets, and a path of QEMU’s own', () => {
    const settings = vagrantSettings(request);
    assert.deepEqual(
      [settings['cpus'], settings['memoryMib'], settings['cpuset']],
      [1, 1024, '0,1'],
    );
    const args = settings['qemuArgs'] as string[];
    assert.ok(args.includes('user,id=scratchpad0,ipv6=off'));
    const mac = /mac=([0-9a-f:]+)/.exec(args.join(' '))![1];
    assert.match(String(settings['cmdLine']), new RegExp(`scratchpad.mac=${mac}$`));
    assert.equal(settings['driver'], 'qemu');
    assert.ok(args.includes('max'));
  });

  test('leave the processor to libvirt with KVM', () => {
    const settings = vagrantSettings({ ...request, acceleration: 'kvm' });
    assert.equal(settings['driver'], 'kvm');
    assert.equal((settings['qemuArgs'] as string[]).includes('-cpu'), false);
  });
});

/** What `npm run guest` makes, as far as the Vagrantfile looks at it. */
function makeGuest(root: string, processor: string): void {
  const folder = join(root, 'dist', 'guest', `linux-${processor}`);
  mkdirSync(join(folder, 'workload'), { recursive: true });
  writeFileSync(join(folder, 'workload', 'artifact.json'), '{}');
  writeFileSync(join(folder, 'node'), '');
}

describe('the Vagrantfile', () => {
  /** Evaluates it with a stand-in for Vagrant that prints each setting, per provider. */
  const evaluate = (
    settings: Record<string, unknown> | null,
    env: Record<string, string> = {},
    host: { os: string; cpu: string } | null = null,
    { guests = ['x64', 'arm64'], command = 'up' } = {},
  ) => {
    const root = mkdtempSync(join(tmpdir(), 'scratchpad-vagrantfile-'));
    try {
      const folder = join(root, 'infra', 'vagrant');
      cpSync(join(infraFolder, 'vagrant'), folder, { recursive: true });
      if (settings) writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
      for (const processor of guests) makeGuest(root, processor);
      const program = `
        class Recorder
          def initialize(name) = @name = name
          def method_missing(method, *args, **options, &block)
            puts "#{@name}.#{method} #{args.map(&:inspect).join(' ')} #{options.inspect unless options.empty?}".strip
            if block
              method == :provider ? block.call(Recorder.new(args.first), Recorder.new("#{args.first}.config")) : block.call(Recorder.new(@name))
            end
            method.to_s.end_with?('=') ? args.first : Recorder.new("#{@name}.#{method}")
          end
          def respond_to_missing?(*) = true
          def driver = @driver || 'qemu'
          def driver=(value); @driver = value; puts "#{@name}.driver= #{value.inspect}"; end
        end
        require 'rbconfig'
        ${host === null ? '' : `RbConfig::CONFIG['host_os'] = '${host.os}'; RbConfig::CONFIG['host_cpu'] = '${host.cpu}'`}
        # where a shell would be needed, Windows has none
        module Kernel; def \`(line) = raise("shells out: #{line}"); def system(*) = raise('shells out'); end
        module Vagrant; VERSION = '2.4.3'; def self.configure(_version) = yield(Recorder.new('config')); end
        load ARGV[0]`;
      const file = join(folder, 'check.rb');
      writeFileSync(file, program);
      return spawnSync('ruby', [file, join(folder, 'Vagrantfile'), command], {
        encoding: 'utf8',
        env: { ...process.env, ...env },
      });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  };
  const noRuby = spawnSync('ruby', ['-v']).error ? 'ruby is not installed' : false;

  test('gives libvirt the CLI’s machine: direct kernel boot, no tunnel, no shared folder', {
    skip: noRuby,
  }, () => {
    const { stdout, stderr, status } = evaluate(vagrantSettings(request));
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^libvirt\.kernel= "\/pool\/vmlinux"$/m);
    assert.match(stdout, /^libvirt\.memory= 1024$/m);
    assert.match(stdout, /^config\.vm\.synced_folder "\." "\/vagrant" \{.*disabled.*true\}$/m);
    assert.doesNotMatch(stdout, /^libvirt\.config\.vm\.network/m);
  });

  test('opens a tunnel with libvirt only where it was asked for', { skip: noRuby }, () => {
    const { stdout } = evaluate(vagrantSettings({ ...request, tunnel: true }));
    assert.match(stdout, /^libvirt\.config\.vm\.network :forwarded_port .*5099/m);
  });

  test('sets VirtualBox, VMware and Parallels up by hand with the same ceilings, on 127.0.0.1', {
    skip: noRuby,
  }, () => {
    const { stdout, stderr, status } = evaluate(null, {
      SCRATCHPAD_PORT: '5055',
      SCRATCHPAD_CPUS: '2',
    });
    assert.equal(status, 0, stderr);
    for (const provider of ['virtualbox', 'vmware_desktop', 'parallels']) {
      const line = stdout
        .split('\n')
        .find((each) => each.startsWith(`${provider}.config.vm.network`));
      assert.match(line ?? '', /forwarded_port.*5055.*127\.0\.0\.1/, provider);
      assert.match(stdout, new RegExp(`^${provider}\\.config\\.vm\\.box= `, 'm'));
    }
    assert.match(stdout, /^virtualbox\.cpus= 2$/m);
    assert.match(stdout, /^virtualbox\.memory= 1024$/m);
  });

  const ARM = { PROCESSOR_IDENTIFIER: 'ARMv8 (64-bit) Family 8 Model 1 Revision 201' };
  const INTEL = { PROCESSOR_IDENTIFIER: 'Intel64 Family 6 Model 158 Stepping 10, GenuineIntel' };
  const MINGW = { os: 'mingw32', cpu: 'x64' };
  for (const { name, host, env, architecture, node, clock } of [
    { name: 'Windows', host: MINGW, env: INTEL, architecture: 'amd64', node: 'x64', clock: true },
    // Vagrant is an x64 program there, too
    {
      name: 'Windows on arm64',
      host: MINGW,
      env: ARM,
      architecture: 'arm64',
      node: 'arm64',
      clock: false,
    },
    {
      name: 'macOS on Apple silicon',
      host: { os: 'darwin23', cpu: 'arm64' },
      env: {},
      architecture: 'arm64',
      node: 'arm64',
      clock: false,
    },
    {
      name: 'Linux',
      host: { os: 'linux-gnu', cpu: 'x86_64' },
      env: ARM,
      architecture: 'amd64',
      node: 'x64',
      clock: true,
    },
  ]) {
    test(`on ${name} takes a guest of the host’s processor, and Linux’s Node; no shell`, {
      skip: noRuby,
    }, () => {
      const { stdout, stderr, status } = evaluate(null, env, host);
      assert.equal(status, 0, stderr);
      for (const provider of ['virtualbox', 'vmware_desktop', 'parallels']) {
        const own = stdout.split('\n').filter((line) => line.startsWith(`${provider}.`));
        const text = own.join('\n');
        assert.match(text, new RegExp(`config\\.vm\\.box_architecture= "${architecture}"`));
        for (const name of ['workload', 'node']) {
          const source = `/dist/guest/linux-${node}/${name}"`;
          assert.ok(text.includes(source), `${provider}: no ${source}`);
        }
        assert.match(text, /config\.vm\.box_version= "\d{6}\.\d{2}\.\d"/);
      }
      assert.equal(/paravirtprovider.*kvm/.test(stdout), clock);
      assert.match(stdout, /^config\.vm\.synced_folder .*disabled.*true/m);
    });
  }

  test('says before the boot what the guest’s artifact lacks, and how it is made; and removes a machine without it', {
    skip: noRuby,
  }, () => {
    const host = { os: 'darwin23', cpu: 'arm64' };
    const up = evaluate(null, {}, host, { guests: ['x64'] });
    assert.equal(up.status, 1);
    assert.match(up.stderr, /no workload\/artifact\.json, node in .*\/dist\/guest\/linux-arm64\./);
    assert.match(up.stderr, /npm ci && npm run guest -- arm64/);
    const destroy = evaluate(null, {}, host, { guests: [], command: 'destroy' });
    assert.equal(destroy.status, 0, destroy.stderr);
    assert.doesNotMatch(destroy.stdout, /provision/);
    // the CLI's own machine has the artifact as a disk
    assert.equal(evaluate(vagrantSettings(request), {}, null, { guests: [] }).status, 0);
  });

  test('takes another box by name, without the version of ours', { skip: noRuby }, () => {
    const other = evaluate(null, { SCRATCHPAD_VAGRANT_BOX: 'debian/bookworm64' });
    assert.match(other.stdout, /^virtualbox\.config\.vm\.box= "debian\/bookworm64"$/m);
    assert.doesNotMatch(other.stdout, /box_version/);
    const env = { SCRATCHPAD_VAGRANT_BOX: 'x/y', SCRATCHPAD_VAGRANT_BOX_VERSION: '7' };
    assert.match(evaluate(null, env).stdout, /^virtualbox\.config\.vm\.box_version= "7"$/m);
  });

  const noVagrant = spawnSync('vagrant', ['-v']).error ? 'vagrant is not installed' : false;
  for (const [provider, ...flags] of [['libvirt'], ['virtualbox', '--ignore-provider']] as const) {
    test(`is valid to Vagrant itself with ${provider}`, { skip: noVagrant }, (t) => {
      const root = mkdtempSync(join(tmpdir(), 'scratchpad-validate-'));
      t.after(() => rmSync(root, { recursive: true, force: true }));
      const folder = join(root, 'infra', 'vagrant');
      cpSync(join(infraFolder, 'vagrant'), folder, { recursive: true });
      // what is uploaded must exist
      for (const processor of ['x64', 'arm64']) makeGuest(root, processor);
      const vagrant = (...args: string[]) =>
        spawnSync('vagrant', args, {
          cwd: folder,
          encoding: 'utf8',
          env: {
            ...process.env,
            VAGRANT_HOME: join(root, 'home'),
            VAGRANT_CHECKPOINT_DISABLE: '1',
            VAGRANT_DEFAULT_PROVIDER: provider,
          },
        });
      const { status, stdout, stderr } = vagrant('validate', ...flags);
      assert.equal(status, 0, `${stdout}${stderr}`);
      assert.match(stdout, /validated successfully/);
      // what it lacks ends it before anything else, in its own words and without a stack trace
      rmSync(join(root, 'dist'), { recursive: true });
      const up = vagrant('up');
      assert.equal(up.status, 1, `${up.stdout}${up.stderr}`);
      assert.match(up.stderr, /npm run guest/);
      assert.doesNotMatch(up.stderr, /\.rb:\d+/);
    });
  }
});

describe('a volume in libvirt’s pool', () => {
  /** A pool of files' sizes, by name. */
  function pool(machines = '', isStarting = false) {
    const volumes = new Map<string, number>();
    const calls: string[] = [];
    const run: Run = async (_file, args) => {
      const [verb, ...rest] = args.slice(args.indexOf('qemu:///system') + 1);
      calls.push(verb!);
      const name = verb === 'vol-create-as' ? rest[1]! : rest[0]!;
      const size = volumes.get(name);
      if (verb === 'list') return result({ stdout: machines });
      if (verb === 'vol-create-as') volumes.set(name, 4096);
      else if (size === undefined) return result({ code: 1, stderr: 'no such volume' });
      if (verb === 'vol-path') return result({ stdout: `/pool/${name}\n` });
      if (verb === 'vol-upload') volumes.set(name, statSync(rest[1]!).size);
      if (verb === 'vol-delete') volumes.delete(name);
      if (verb === 'vol-info') {
        return result({
          stdout: `Name: ${name}\nType: file\nCapacity:       ${size} bytes\nPhysical:       ${size} bytes\n`,
        });
      }
      return result();
    };
    return { volumes, calls, libvirt: new Libvirt(run, () => isStarting) };
  }

  function volumeIn(t: Pick<TestContext, 'after'>): VolumeRequest {
    const folder = mkdtempSync(join(tmpdir(), 'scratchpad-volume-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'vmlinux');
    writeFileSync(file, 'a kernel');
    return { name: 'v', file, bytes: 8, format: 'raw', records: join(folder, 'records') };
  }

  test('is uploaded once, and again where it was cut off since', async (t) => {
    const volume = volumeIn(t);
    const { volumes, libvirt } = pool();
    const made = { path: '/pool/v', cached: false };
    assert.deepEqual(await libvirt.ensureVolume(volume, NEVER), made);
    assert.deepEqual(await libvirt.ensureVolume(volume, NEVER), { ...made, cached: true });
    volumes.set('v', 3);
    assert.deepEqual(await libvirt.ensureVolume(volume, NEVER), made);
    assert.equal(volumes.get('v'), 8);
  });

  test('whose upload was killed is made anew, though it has its full size', async (t) => {
    const volume = volumeIn(t);
    const { volumes, calls, libvirt } = pool();
    volumes.set('v', 8);
    assert.equal((await libvirt.ensureVolume(volume, NEVER)).cached, false);
    assert.deepEqual(calls.slice(-5), [
      'vol-delete',
      'vol-create-as',
      'vol-upload',
      'vol-info',
      'vol-path',
    ]);
    assert.equal((await libvirt.ensureVolume(volume, NEVER)).cached, true);
  });

  test('on which a machine runs is never taken away', async (t) => {
    const { volumes, calls, libvirt } = pool('scratchpad-0123456789-vm\n');
    volumes.set('v', 8);
    assert.equal((await libvirt.ensureVolume(volumeIn(t), NEVER)).cached, true);
    assert.ok(!calls.includes('vol-delete'));
    const starting = pool('', true);
    starting.volumes.set('v', 8);
    assert.equal((await starting.libvirt.ensureVolume(volumeIn(t), NEVER)).cached, true);
    assert.ok(!starting.calls.includes('vol-delete'), 'nor one that `vagrant up` is about to use');
  });
});

describe('what goes wrong', () => {
  test('is taken from Vagrant’s machine-readable output', () => {
    const output = [
      '1795494955,vm,ui,info,==> vm: Starting domain.',
      '1795494958,,error-exit,VagrantPlugins::ProviderLibvirt::Errors::DomainStartError,There was an error talking to Libvirt. The error message is shown%!(VAGRANT_COMMA) below:\\n\\nno space',
    ].join('\n');
    assert.match(
      errorsIn(output),
      /^There was an error talking to Libvirt\. .* shown, below: +no space$/,
    );
    assert.equal(errorsIn('1,vm,ui,info,fine'), '');
  });

  test('is told by its first line where Ruby prints what Vagrant did not expect', () => {
    const words =
      "Call to virDomainCreateWithFlags failed: Failed to connect socket to '/run/libvirt/virtlogd-sock': Connection refused (Libvirt::Error)";
    const output = [
      '1796027171,vm,ui,info,==> vm: Deleting the machine folder',
      `/usr/lib/ruby/vendor_ruby/fog/libvirt/requests/compute/vm_action.rb:7:in \`create': ${words}`,
      "\tfrom /usr/lib/ruby/vendor_ruby/fog/libvirt/requests/compute/vm_action.rb:7:in `vm_action'",
      "\tfrom /usr/share/rubygems-integration/all/gems/vagrant-2.3.4/lib/vagrant/machine.rb:217:in `block in action'",
    ].join('\n');
    assert.equal(errorsIn(output), words);
    const { code, hint } = vagrantFailed(words);
    assert.equal(code, 'VM_PROVIDER_ABSENT');
    assert.match(hint ?? '', /virtlogd -d/);
  });

  test('with libvirt is told apart: not installed, not running, not allowed', () => {
    assert.equal(faultOf({ missing: true, stderr: '' }).code, 'VM_PROVIDER_ABSENT');
    const stopped = faultOf({
      missing: false,
      stderr:
        "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
    });
    assert.equal(stopped.code, 'VM_PROVIDER_ABSENT');
    assert.match(stopped.hint, /libvirtd/);
    const denied = faultOf({
      missing: false,
      stderr:
        "error: Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
    });
    assert.deepEqual(
      [denied.code, /usermod -aG libvirt/.test(denied.hint)],
      ['VM_PERMISSION', true],
    );
  });
});
