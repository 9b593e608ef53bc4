import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { captureEnvironment, fingerprintOf, summaryOf } from '../../cli/record/environment.ts';
import { mountOf } from '../../cli/record/environment-storage.ts';
import { hostSchema } from '../../cli/record/schema.ts';

/** PATH with nothing on it but these scripts. */
function onlyPrograms(t: TestContext, programs: Record<string, string>): void {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-path-'));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const before = process.env['PATH'];
  process.env['PATH'] = folder;
  t.after(() => {
    process.env['PATH'] = before;
    rmSync(folder, { recursive: true });
  });
}

const reason = (value: unknown) => (value as { unavailable: string }).unavailable;

test('the machine is described as the record’s schema wants it', async () => {
  const environment = await captureEnvironment();
  assert.doesNotThrow(() => hostSchema.parse(JSON.parse(JSON.stringify(environment))));
  assert.ok(environment.cpus >= availableParallelism());
  assert.match(environment.fingerprint, /^[0-9a-f]{64}$/);
  assert.match(environment.summary, /CPU.*GiB/);
  assert.equal(environment.node.version, process.versions.node);
});

test('the fingerprint is the same twice, though load and time are not', async () => {
  const [first, second] = [await captureEnvironment(), await captureEnvironment()];
  assert.equal(first.fingerprint, second.fingerprint);
  assert.notEqual(first.takenAt, second.takenAt);
});

test('what makes figures incomparable changes the fingerprint, what does not does not', async () => {
  const facts = await captureEnvironment();
  const changed = (change: Partial<typeof facts>) => fingerprintOf({ ...facts, ...change });
  for (const change of [
    { cpuModel: 'another' },
    { cpus: facts.cpus + 1 },
    { memoryBytes: facts.memoryBytes + 4 * 2 ** 30 },
    { kernel: 'linux 1.0' },
    { governor: 'another' },
    { mitigations: { spectre_v2: 'Vulnerable' } },
    { kvm: facts.kvm !== true },
    { transparentHugePages: 'another' },
    { swapBytes: facts.swapBytes === 0 ? 2 ** 30 : 0 },
  ] as Array<Partial<typeof facts>>)
    assert.notEqual(changed(change), facts.fingerprint, JSON.stringify(change));
  assert.equal(changed({ loadAverage: [99, 99, 99] }), facts.fingerprint);
  assert.equal(changed({ docker: { unavailable: 'stopped' } }), facts.fingerprint);
  assert.equal(changed({ memoryBytes: facts.memoryBytes + 4096 }), facts.fingerprint);
});

test('without any program on the host everything else is there, with reasons', async (t) => {
  onlyPrograms(t, {});
  const environment = await captureEnvironment();
  assert.equal(reason(environment.docker), 'docker is not installed');
  assert.equal(reason(environment.libvirt), 'virsh is not installed');
  assert.match(reason(environment.qemu), /qemu-system-.* is not installed/);
  assert.ok(environment.cpus > 0);
});

test('a stopped engine is a reason, in the client’s words', async (t) => {
  onlyPrograms(t, { docker: 'echo "Cannot connect to the Docker daemon" >&2; exit 1' });
  const stopped = await captureEnvironment();
  assert.match(reason(stopped.docker), /Cannot connect to the Docker daemon/);
});

test('an engine that only its client answers for is a reason too', async (t) => {
  onlyPrograms(t, {
    docker: `echo '{"ServerErrors":["Cannot connect to the Docker daemon"],"ClientInfo":{}}'`,
  });
  const { docker } = await captureEnvironment();
  assert.equal(reason(docker), 'Cannot connect to the Docker daemon');
});

test('an engine that hangs is given up, and the rest is not lost', async (t) => {
  onlyPrograms(t, { docker: 'exec /bin/sleep 20' });
  const before = performance.now();
  const { docker, kernel } = await captureEnvironment();
  assert.match(reason(docker), /gave no answer in 2000 ms/);
  assert.ok(performance.now() - before < 10_000);
  assert.ok(kernel.length > 0);
});

test('versions of engine and hypervisor are in the record', async (t) => {
  onlyPrograms(t, {
    docker: `echo '{"ServerVersion":"20.10.24","Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]],"CgroupDriver":"systemd","CgroupVersion":"2","OperatingSystem":"Debian"}'`,
    virsh: 'echo 9.0.0',
    'systemd-detect-virt': 'echo none; exit 1',
  });
  const environment = await captureEnvironment();
  assert.deepEqual(environment.docker, {
    version: '20.10.24',
    storageDriver: 'overlay2',
    backingFileSystem: 'extfs',
    cgroupDriver: 'systemd',
    cgroupVersion: '2',
    operatingSystem: 'Debian',
  });
  assert.equal(environment.libvirt, '9.0.0');
  assert.equal(environment.virtualisation.kind, 'none');
});

test('the record holds no path and no name of this machine', async () => {
  const text = JSON.stringify(await captureEnvironment());
  assert.ok(!text.includes(process.cwd()));
});

test('a mount is found by its longest mount point, the last one on top', () => {
  const mountinfo = [
    '26 1 254:0 / / rw - ext4 /dev/vda rw',
    '27 26 0:40 / /home rw - btrfs /dev/sdb1[/@home] rw',
    '28 27 0:41 / /home/me\\040too rw - nfs4 server:/x rw',
    '29 26 0:42 / /tmp rw - tmpfs old rw',
    '30 26 0:43 / /tmp rw - tmpfs new rw',
    '',
  ].join('\n');
  assert.equal(mountOf('/var/lib', mountinfo)?.device, '/dev/vda');
  assert.equal(mountOf('/homeless', mountinfo)?.device, '/dev/vda');
  assert.equal(mountOf('/home/x', mountinfo)?.device, '/dev/sdb1');
  assert.equal(mountOf('/home/me too/results', mountinfo)?.fileSystem, 'nfs4');
  assert.equal(mountOf('/tmp/a', mountinfo)?.device, 'new');
  assert.equal(mountOf('/a', ''), undefined);
});

test('the summary names what a reader asks first', async () => {
  const facts = await captureEnvironment();
  const summary = summaryOf({
    ...facts,
    cpuModel: 'Fast CPU',
    cpus: 1,
    memoryBytes: 2 ** 31,
    kernel: 'linux 6.1',
    os: 'Debian 12',
    virtualisation: { hypervisor: true, kind: 'kvm' },
    kvm: false,
    cgroup: 'v2',
  });
  assert.equal(
    summary,
    'Fast CPU, 1 CPU, 2 GiB, linux 6.1, Debian 12, a virtual machine, no KVM, cgroup v2',
  );
});
