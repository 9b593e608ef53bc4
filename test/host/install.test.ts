/** `doctor --install` with the host replaced: what would be installed, started, and said. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { HostAccess } from '../../cli/host/checks/check.ts';
import { install, parseParts } from '../../cli/host/install.ts';
import type { Part } from '../../cli/host/packages.ts';
import { infraFolder } from '../../cli/host/paths.ts';
import { type CommandResult, type Run, runCommand } from '../../cli/targets/command.ts';
import { identify, isAlive } from '../../cli/targets/process-identity.ts';
import { NEVER, recordingProgress, result, stateSandbox } from '../targets/harness.ts';

interface FakeHost {
  host: HostAccess;
  calls: string[];
  programs: Set<string>;
}

/** Which programs a package brings, on this imagined release. */
const BRINGS: Record<string, string[]> = {
  'docker.io': ['dockerd'],
  'docker-cli': ['docker'],
  iptables: ['iptables'],
  mmdebstrap: ['mmdebstrap'],
  'libvirt-daemon-system': ['libvirtd'],
};

function fakeHost(
  options: {
    programs?: string[];
    /** Daemons that answer from the start. */
    running?: string[];
    systemd?: boolean;
    apt?: Partial<CommandResult>;
    brings?: Record<string, string[]>;
  } = {},
): FakeHost {
  const programs = new Set(options.programs ?? ['apt-get']);
  const running = new Set(options.running ?? []);
  const calls: string[] = [];
  const run: Run = async (file, args) => {
    const line = [file, ...args].join(' ').replace(/^sudo -n env \S+ \S+ /, '');
    calls.push(line);
    if (line.startsWith('apt-get update')) return result();
    if (line.startsWith('apt-get install')) {
      if (options.apt) return result(options.apt);
      for (const name of args) {
        for (const program of (options.brings ?? BRINGS)[name] ?? []) programs.add(program);
      }
      return result();
    }
    if (line.startsWith('dpkg-query')) {
      return programs.has(args.at(-1)!) ? result({ stdout: 'installed' }) : result({ code: 1 });
    }
    if (/^systemctl enable --now (\w+)/.test(line)) {
      running.add(/--now (\w+)/.exec(line)![1]!);
      return result();
    }
    if (line.includes('start-daemon.sh')) {
      running.add(args.at(-1)!.replace('dockerd', 'docker'));
      return result();
    }
    if (line.includes('open-kvm.sh')) return result();
    if (line.startsWith('virt-admin -c virtlogd:///system'))
      return result({ code: running.has('virtlogd') ? 0 : 1 });
    if (line.startsWith('virsh')) return result({ code: running.has('libvirtd') ? 0 : 1 });
    if (line.startsWith('docker version')) return result({ code: running.has('docker') ? 0 : 1 });
    throw new Error(`unexpected command: ${line}`);
  };
  return {
    calls,
    programs,
    host: {
      run,
      platform: 'linux',
      which: (name) => (programs.has(name) ? `/usr/bin/${name}` : null),
      exists: (path) => path === '/run/systemd/system' && options.systemd === true,
      writable: () => true,
      answers: async () => true,
    },
  };
}

const DOCKER = ['dockerd', 'docker', 'iptables', 'mmdebstrap', 'apt-get'];

function installing(what: Part[], { host }: FakeHost) {
  const progress = recordingProgress();
  return { progress, done: install({ what }, progress, NEVER, host) };
}

describe('doctor --install', () => {
  it('does nothing where all is there and runs', async () => {
    const fake = fakeHost({ programs: DOCKER, running: ['docker'] });
    const { done } = installing(['docker'], fake);
    assert.deepEqual(await done, { installed: [], started: [] });
    assert.ok(fake.calls.every((call) => !call.includes('apt-get')));
  });

  it('installs what is missing, the command in a second round where the engine lacks it', async () => {
    const fake = fakeHost();
    const { done } = installing(['docker'], fake);
    assert.deepEqual(await done, {
      installed: ['docker.io', 'iptables', 'mmdebstrap', 'docker-cli'],
      started: ['dockerd'],
    });
    const installs = fake.calls.filter((call) => call.startsWith('apt-get install'));
    assert.equal(installs.length, 2);
    assert.match(installs[0]!, /--no-install-recommends docker\.io iptables mmdebstrap$/);
    assert.ok(fake.programs.has('docker'));
  });

  it('starts the engine by systemd where that runs, by hand where not', async () => {
    const withSystemd = fakeHost({ programs: DOCKER, systemd: true });
    await installing(['docker'], withSystemd).done;
    assert.ok(withSystemd.calls.includes('systemctl enable --now docker.service'));
    const without = fakeHost({ programs: DOCKER });
    assert.deepEqual((await installing(['docker'], without).done).started, ['dockerd']);
    assert.ok(
      without.calls.some((call) =>
        /start-daemon\.sh \/var\/log\/\S+ \/run\/\S+ dockerd$/.test(call),
      ),
    );
  });

  it('opens /dev/kvm as udev would before it starts libvirt by hand, and leaves that to udev', async () => {
    const brings = {
      ...BRINGS,
      'qemu-system-x86': ['qemu-system-x86_64'],
      'qemu-utils': ['qemu-img'],
      vagrant: ['vagrant'],
      'vagrant-libvirt': ['vagrant-libvirt'],
      e2fsprogs: ['mke2fs'],
      'libvirt-clients': ['virsh'],
      'dnsmasq-base': ['dnsmasq'],
      rsync: ['rsync'],
    };
    const without = fakeHost({ brings });
    const { started } = await installing(['vagrant'], without).done;
    assert.deepEqual(started, ['virtlogd', 'libvirtd']);
    const at = (part: string) => without.calls.findIndex((call) => call.includes(part));
    assert.ok(at('open-kvm.sh') !== -1 && at('open-kvm.sh') < at('libvirtd.log'));
    const withSystemd = fakeHost({ brings, systemd: true });
    await installing(['vagrant'], withSystemd).done;
    assert.ok(!withSystemd.calls.some((call) => call.includes('open-kvm.sh')));
  });

  it('an engine of another vendor counts: its programs are what is looked for', async () => {
    const fake = fakeHost({
      programs: [...DOCKER.filter((name) => name !== 'apt-get')],
      running: ['docker'],
    });
    assert.deepEqual((await installing(['docker'], fake).done).installed, []);
  });

  it('on no Debian it says so, and what would be needed', async () => {
    const { done } = installing(['docker'], fakeHost({ programs: [] }));
    await assert.rejects(done, {
      code: 'INSTALL_FAILED',
      message: /no Debian/,
      hint: /docker\.io/,
    });
  });

  it('apt’s own words are kept where it fails', async () => {
    const apt = { code: 100, stderr: 'E: Unable to locate package docker.io\n' };
    const { done } = installing(['docker'], fakeHost({ apt }));
    await assert.rejects(done, (error: Error & { code: string }) => {
      assert.equal(error.code, 'INSTALL_FAILED');
      assert.match(String(error.cause), /Unable to locate package/);
      return true;
    });
  });

  it('what is not there after a success is told by name', async () => {
    const { done } = installing(['docker'], fakeHost({ brings: {} }));
    await assert.rejects(done, { code: 'INSTALL_FAILED', message: /still no dockerd, docker/ });
  });

  it('knows its parts, and no others', () => {
    assert.deepEqual(parseParts(undefined), ['docker', 'vm', 'vagrant']);
    assert.deepEqual(parseParts('vm, docker'), ['vm', 'docker']);
    assert.throws(() => parseParts('docker,kvm'), { code: 'BAD_FLAG', message: /"kvm"/ });
  });
});

describe('start-daemon.sh', { skip: process.platform === 'linux' ? false : 'needs setsid' }, () => {
  const script = join(infraFolder, 'host', 'start-daemon.sh');

  function started(t: TestContext, folder: string): number {
    const pidFile = join(folder, 'pid');
    const args = [script, join(folder, 'log'), pidFile, 'sleep', '60'];
    const { status, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    t.after(() => {
      if (isAlive(identify(pid))) process.kill(pid, 'SIGKILL');
    });
    return pid;
  }

  it('starts it once, in a session of its own', (t) => {
    const folder = stateSandbox(t);
    const pid = started(t, folder);
    assert.equal(isAlive(identify(pid)), true);
    const session = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3];
    assert.equal(Number(session), pid);
    assert.equal(started(t, folder), pid);
  });

  it('a pid file of something else does not keep it from starting', (t) => {
    const folder = stateSandbox(t);
    spawnSync('sh', ['-c', `echo ${process.pid} > "${join(folder, 'pid')}"`]);
    assert.notEqual(started(t, folder), process.pid);
  });
});

describe('join-and-exec.sh', { skip: existsSync('/bin/sh') ? false : 'no /bin/sh' }, () => {
  const script = join(infraFolder, 'host', 'join-and-exec.sh');

  it('writes its own pid and then is the command', async (t) => {
    const file = join(stateSandbox(t), 'procs');
    const print = 'console.log(process.pid, process.argv[1])';
    const args = [script, '-j', file, '--', process.execPath, '-e', print, 'with space'];
    const { stdout, code } = await runCommand('/bin/sh', args);
    assert.equal(code, 0);
    assert.equal(stdout, `${readFileSync(file, 'utf8').trim()} with space\n`);
  });

  it('starts nothing where it cannot join: an uncounted process would be worse', async () => {
    const args = [script, '-j', '/nonexistent/cgroup.procs', '--', 'echo', 'started'];
    const { stdout, code } = await runCommand('/bin/sh', args);
    assert.equal(code, 97);
    assert.equal(stdout, '');
  });
});
