import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HostAccess, thisHost } from '../../cli/host/checks/check.ts';
import { dockerChecks } from '../../cli/host/checks/docker.ts';
import { vmChecks } from '../../cli/host/checks/vm.ts';
import {
  type DoctorReport,
  formatDoctor,
  formatInstalled,
  runDoctor,
} from '../../cli/host/doctor.ts';
import { targetNames } from '../../cli/targets/registry.ts';
import { fakeRun, stateSandbox, withEnvironment } from '../targets/harness.ts';

function host(
  programs: string[],
  answers: Parameters<typeof fakeRun>[0],
  more: Partial<HostAccess> = {},
): HostAccess {
  return {
    run: fakeRun(answers).run,
    platform: 'linux',
    which: (name) => (programs.includes(name) ? `/usr/bin/${name}` : null),
    exists: () => false,
    writable: () => false,
    answers: async () => false,
    ...more,
  };
}

const INFO: [RegExp, object] = [
  /^docker info/,
  { stdout: '{"ServerVersion":"27.0","OperatingSystem":"X","NCPU":2}' },
];
const CONTEXT: [RegExp, object] = [/^docker context/, { stdout: 'unix:///x' }];

describe('what doctor finds', () => {
  it('without Docker: missing, and the command that installs it', async () => {
    const [check, ...rest] = await dockerChecks(host([], []));
    assert.equal(check?.status, 'missing');
    assert.equal(check?.mend, 'scratchpad doctor --install --only docker');
    assert.deepEqual(rest, []);
  });

  it('with an engine that this user may not use: the command for that', async () => {
    const denied = {
      code: 1,
      stderr: 'permission denied while trying to connect to the Docker daemon socket',
    };
    const checks = await dockerChecks(host(['docker'], [[/^docker info/, denied], CONTEXT]));
    assert.equal(checks.at(-1)?.status, 'missing');
    assert.match(checks.at(-1)?.mend ?? '', /usermod -aG docker/);
  });

  it('with a base image here: neither registry nor mmdebstrap is asked for', async () => {
    const checks = await dockerChecks(
      host(['docker'], [INFO, CONTEXT, [/image inspect/, { stdout: 'sha256:1' }]]),
    );
    assert.deepEqual(
      checks.map(({ name, status }) => `${name}: ${status}`),
      ['docker command: ok', 'docker engine: ok', 'base image: ok'],
    );
  });

  it('without a base image: a registry or mmdebstrap will do, without both the base is missing', async () => {
    const none: Parameters<typeof fakeRun>[0] = [INFO, CONTEXT, [/image inspect/, { code: 1 }]];
    const missing = async (programs: string[], registry: boolean) => {
      const checks = await dockerChecks(host(programs, none, { answers: async () => registry }));
      return checks.filter(({ status }) => status === 'missing').map(({ name }) => name);
    };
    assert.deepEqual(await missing(['docker'], true), []);
    assert.deepEqual(await missing(['docker', 'mmdebstrap'], false), []);
    assert.deepEqual(await missing(['docker'], false), ['image registry', 'mmdebstrap']);
  });

  it('KVM that this user may not use is told apart from none at all', async () => {
    const none = await vmChecks(host([], []));
    assert.match(
      none.find(({ name }) => name === 'acceleration')?.found ?? '',
      /no \/dev\/kvm.*emulated/,
    );
    const closed = await vmChecks(host([], [], { exists: () => true }));
    assert.match(closed.find(({ name }) => name === 'acceleration')?.mend ?? '', /usermod -aG kvm/);
    const open = await vmChecks(host([], [], { exists: () => true, writable: () => true }));
    assert.match(open.find(({ name }) => name === 'acceleration')?.found ?? '', /kvm/);
  });

  it('a libvirt that has just been started is there, though it does not tell its version in time', async () => {
    const libvirtOf = async (answers: Parameters<typeof fakeRun>[0]) =>
      (await vmChecks(host(['virsh'], answers))).find(({ name }) => name === 'libvirt');
    const answering: [RegExp, object] = [/^virsh .* hostname/, { stdout: 'here\n' }];
    const late = { code: null, timedOut: true };
    const started = await libvirtOf([answering, [/^virsh .* version/, late]]);
    assert.deepEqual([started?.status, started?.found], ['ok', 'daemon running']);
    const version = { stdout: 'Using API: QEMU 9.0.0\nRunning against daemon: 9.0.0\n' };
    assert.equal((await libvirtOf([answering, [/version/, version]]))?.found, 'daemon 9.0.0');
    const stopped = await libvirtOf([[/hostname/, { code: 1, stderr: 'No such file' }]]);
    assert.match(stopped?.found ?? '', /its daemon does not run/);
    assert.match(stopped?.mend ?? '', /--install --only vagrant/);
    const silent = await libvirtOf([[/hostname/, late]]);
    assert.match(silent?.found ?? '', /does not answer in 7 s/);
  });

  it('Vagrant and libvirt are not needed for a VM', async () => {
    const checks = await vmChecks(host([], []));
    for (const name of ['vagrant', 'libvirt']) {
      assert.equal(checks.find((check) => check.name === name)?.status, 'not needed');
    }
  });
});

describe('the report', () => {
  it('has a verdict for every target of this host, and a mend for each that cannot run', async (t) => {
    stateSandbox(t);
    withEnvironment(t, { DOCKER_HOST: 'unix:///nonexistent/docker.sock' });
    const report = await runDoctor();
    assert.deepEqual(
      report.targets.map(({ name }) => name),
      targetNames(),
    );
    assert.equal(report.targets[0]?.available, true, report.targets[0]?.reason ?? '');
    const docker = report.targets[1]!;
    assert.equal(docker.available, false);
    for (const target of report.targets) {
      assert.equal(target.available, target.reason === null);
      if (!target.available) assert.ok(target.mend, `${target.name} has no mend`);
    }
    assert.ok(thisHost.which('node'));
  });

  it('a target whose engine would run it is not available without its artifact or base', async () => {
    // the verdict's other half: see withChecks in doctor.ts
    const report = await runDoctor(
      host(['docker'], [INFO, CONTEXT, [/image inspect/, { code: 1 }], [/virsh/, { code: 1 }]]),
    );
    const checks = report.checks.filter(({ status }) => status === 'missing');
    for (const target of report.targets) {
      const lacking = checks.some((check) => check.for === 'all' || check.for === target.name);
      if (lacking) assert.equal(target.available, false, target.name);
    }
  });

  it('with --install says what was installed and what was started', () => {
    assert.equal(
      formatInstalled({ installed: [], started: ['virtlogd', 'libvirtd'] }),
      'installed: nothing; started, and answering: virtlogd, libvirtd',
    );
  });

  it('prints targets first, then checks, each with its mend below', () => {
    const report: DoctorReport = {
      schemaVersion: 1,
      kind: 'doctor',
      targets: [
        { name: 'bare', available: true, provider: null, reason: null, mend: null, notes: [] },
        {
          name: 'vm',
          available: false,
          provider: 'qemu',
          reason: 'no QEMU',
          mend: 'do that',
          notes: [],
        },
      ],
      checks: [
        { name: 'Node', status: 'ok', found: '24', mend: null, for: 'all' },
        { name: 'QEMU', status: 'missing', found: 'not installed', mend: 'do that', for: 'vm' },
      ],
    };
    assert.equal(
      formatDoctor(report),
      [
        'bare           yes',
        'vm (qemu)      no   no QEMU',
        '                    → do that',
        '',
        'Node  ok       24',
        'QEMU  MISSING  not installed',
        '               → do that',
      ].join('\n'),
    );
  });
});
