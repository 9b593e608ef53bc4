/** The machine as a command line, its console, its guest's answers, and which provider runs it. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { bridgeFault } from '../../cli/targets/vm/bridge.ts';
import {
  cleanLine,
  faultIn,
  hangIn,
  markOf,
  phasesFrom,
  restartsIn,
  restartsOnConsole,
  SerialConsole,
} from '../../cli/targets/vm/console.ts';
import { askGuest, guestPhases, parseFacts } from '../../cli/targets/vm/guest-control.ts';
import { acceleration, guestArchitecture } from '../../cli/targets/vm/host.ts';
import { machineFiles } from '../../cli/targets/vm/names.ts';
import { choosePath, chooseProvider } from '../../cli/targets/vm/provider.ts';
import {
  kernelParameters,
  type MachineSpec,
  qemuArguments,
} from '../../cli/targets/vm/qemu-command.ts';
import { withEnvironment } from './harness.ts';

const spec: MachineSpec = {
  name: 'scratchpad-x',
  emulator: '/usr/bin/qemu-system-x86_64',
  architecture: 'amd64',
  acceleration: 'tcg',
  cpus: 1,
  memoryBytes: 1024 ** 3,
  kernel: '/box/vmlinux',
  initrd: '/box/initrd.img',
  overlay: '/state/a,b/overlay.qcow2',
  artifactDisk: '/cache/artifact.ext4',
  parameters: ['scratchpad.env.SCRATCHPAD_NONCE=n'],
  consoleLog: '/state/console.log',
  controlSocket: '/state/qmp.sock',
  meterSocket: '/state/meter.sock',
};

function after(args: string[], option: string): string[] {
  return args.flatMap((arg, index) => (arg === option ? [args[index + 1]!] : []));
}

describe('the machine on QEMU’s command line', () => {
  test('has the ceilings as vCPUs and RAM, the artifact read-only, and no port open before the workload', () => {
    const args = qemuArguments(spec);
    assert.deepEqual(after(args, '-smp'), ['1']);
    assert.deepEqual(after(args, '-m'), ['1024M']);
    assert.ok(after(args, '-drive').some((drive) => /artifact\.ext4.*readonly=on/.test(drive)));
    assert.deepEqual(after(args, '-netdev'), ['user,id=net0,ipv6=off']);
    assert.equal(
      args.some((arg) => arg.includes('hostfwd')),
      false,
    );
    assert.deepEqual(after(qemuArguments({ ...spec, cpus: 1.5 }), '-smp'), ['2']);
  });

  test('uses the host’s processor with KVM, and all that the emulator can do without', () => {
    assert.deepEqual(after(qemuArguments(spec), '-accel'), ['tcg,thread=multi']);
    assert.deepEqual(after(qemuArguments(spec), '-cpu'), ['max']);
    const kvm = qemuArguments({ ...spec, acceleration: 'kvm' });
    assert.deepEqual([after(kvm, '-accel'), after(kvm, '-cpu')], [['kvm'], ['host']]);
  });

  test('keeps a comma in a path together', () => {
    assert.ok(after(qemuArguments(spec), '-drive')[0]!.includes('/state/a,,b/overlay.qcow2'));
  });

  test('turns mitigations off only where the processor is emulated', () => {
    assert.match(kernelParameters('amd64', 'tcg', []), /mitigations=off/);
    assert.doesNotMatch(kernelParameters('amd64', 'kvm', []), /mitigations/);
    assert.match(kernelParameters('arm64', 'tcg', ['a=b']), /console=ttyAMA0 .* a=b$/);
  });

  test('keeps socket paths below the limit, whatever the state folder', (t) => {
    withEnvironment(t, { SCRATCHPAD_STATE_DIR: `/tmp/${'long-'.repeat(30)}` });
    const files = machineFiles('0123456789');
    assert.ok(Buffer.byteLength(files.controlSocket) < 104, files.controlSocket);
    assert.notEqual(files.socketFolder, null);
    assert.ok(files.overlay.startsWith('/tmp/long-'));
  });
});

const BOOT = [
  '[    0.000000] Linux version 6.1.0-56-cloud-amd64 (gcc) #1 SMP',
  'scratchpad: userspace',
  'scratchpad: systemd',
  'scratchpad: service',
  '{"event":"listening","atMs":1,"port":5001}',
];

describe('the serial console', () => {
  const lines = BOOT.map((text, index) => ({ atNs: BigInt(index + 1) * 1_000_000_000n, text }));

  test('gives phases that follow one another without a gap', () => {
    const phases = phasesFrom(lines, 500_000_000n);
    assert.deepEqual(
      phases.map(({ name }) => name),
      ['VMM start', 'kernel', 'initramfs', 'systemd', 'service to listening'],
    );
    assert.deepEqual(phases[0], {
      name: 'VMM start',
      startMs: 0,
      endMs: 500,
      source: 'serial console',
    });
    for (const [index, phase] of phases.slice(1).entries()) {
      assert.equal(phase.startMs, phases[index]!.endMs);
    }
  });

  test('ends with the last phase that was seen', () => {
    assert.deepEqual(
      phasesFrom(lines.slice(0, 2), 0n).map(({ name }) => name),
      ['VMM start', 'kernel'],
    );
    assert.deepEqual(phasesFrom([], 0n), []);
    const withoutKernel = phasesFrom(lines.slice(1), 0n);
    assert.deepEqual(withoutKernel, [], 'no phase is made up for a mark that is missing');
  });

  test('is not fooled by what a request log or the command line quotes', () => {
    assert.equal(markOf('[    0.0] Kernel command line: scratchpad: service'), null);
    assert.equal(markOf('{"path":"/\\"event\\":\\"listening\\""}'), null);
    assert.equal(cleanLine('\x1b[0;31mscratchpad: service\x1b[0m\r'), 'scratchpad: service');
  });

  test('tells a panic and a failure of the guest’s own from a healthy boot', () => {
    assert.equal(faultIn(BOOT.join('\r\n')), null);
    const panic =
      '[    1.369024] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[ 1.4] rest';
    assert.deepEqual(faultIn(`${BOOT[0]}\r\n${panic}`), {
      code: 'VM_KERNEL_PANIC',
      detail: 'Kernel panic - not syncing: VFS: Unable to mount root fs',
    });
    assert.deepEqual(faultIn('scratchpad: failed no disk with the label artifact'), {
      code: 'VM_BOOT_FAILED',
      detail: 'no disk with the label artifact',
    });
  });

  test('tells a boot that hangs half-way, in which phase; not one that is slow, or done', () => {
    const second = 1_000_000_000n;
    const hang = hangIn(lines.slice(0, 3), 0n, 64n * second, 60_000);
    assert.match(String(hang), /hangs in its phase "systemd": no line .* for 61 s/);
    assert.equal(hangIn(lines.slice(0, 3), 0n, 62n * second, 60_000), null);
    assert.match(String(hangIn([], 2n * second, 63n * second, 60_000)), /phase "VMM start"/);
    assert.equal(hangIn(lines, 0n, 1_000n * second, 60_000), null, 'a silent workload is none');
  });

  test('tells how often the guest started the workload again since its last boot', (t) => {
    const again = ['Segmentation fault', 'scratchpad: service', '{"event":"listening"}'];
    assert.equal(restartsIn(''), 0);
    assert.equal(restartsIn(BOOT.join('\r\n')), 0);
    assert.equal(restartsIn([...BOOT, ...again, ...again].join('\r\n')), 2);
    // the machine was stopped and started again: its log goes on in the same file
    assert.equal(restartsIn([...BOOT, ...again, ...BOOT].join('\r\n')), 0);
    assert.equal(restartsIn('{"path":"scratchpad: service"}'), 0);
    const path = join(folderOf(t), 'console.log');
    assert.equal(restartsOnConsole(path), null, 'unknown is not zero');
    writeFileSync(path, [...BOOT, ...again].join('\r\n'));
    assert.equal(restartsOnConsole(path), 1);
  });

  test('is followed from a given byte on, stamps a line when it is whole, and begins again when emptied or replaced', async (t) => {
    const path = join(folderOf(t), 'console.log');
    writeFileSync(path, 'of an earlier boot\n');
    const seen: string[] = [];
    let wake = () => {};
    const serial = new SerialConsole(path, 19, ({ text }) => {
      seen.push(text);
      wake();
    });
    t.after(() => serial.close());
    const next = () => new Promise<void>((resolve) => (wake = resolve));
    const half = process.hrtime.bigint();
    appendFileSync(path, 'scratchpad: ser');
    serial.read();
    assert.deepEqual(seen, []);
    const whole = next();
    appendFileSync(path, 'vice\r\n');
    await whole;
    assert.deepEqual(seen, ['scratchpad: service']);
    assert.ok(serial.lines[0]!.atNs > half);
    writeFileSync(path, '');
    serial.read();
    appendFileSync(path, 'again\n');
    serial.read();
    assert.deepEqual(seen, ['scratchpad: service', 'again']);
    rmSync(path);
    writeFileSync(path, 'of another file\n');
    serial.read();
    assert.deepEqual(seen.at(-1), 'of another file');
  });
});

describe('orders to the guest', () => {
  test('go through a forward that is there for this one order only', async (t) => {
    const orders: string[] = [];
    const said: string[] = [];
    const guest = createServer((socket) => {
      socket.once('data', (data) => {
        orders.push(data.toString());
        socket.end('kernel=6.1\n');
      });
    });
    t.after(() => guest.close());
    const monitor = async (line: string) => {
      said.push(line.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:PORT'));
      const port = /hostfwd_add net0 tcp:127\.0\.0\.1:(\d+)-:5002/.exec(line)?.[1];
      if (port)
        await new Promise<void>((resolve) => guest.listen(Number(port), '127.0.0.1', resolve));
      return '';
    };
    assert.equal(await askGuest({ monitor, netdev: 'net0' }, 'facts', 2_000), 'kernel=6.1\n');
    assert.deepEqual(orders, ['facts\n']);
    assert.deepEqual(said, [
      'hostfwd_add net0 tcp:127.0.0.1:PORT-:5002',
      'hostfwd_remove net0 tcp:127.0.0.1:PORT',
    ]);
  });

  test('that are not answered in time are an error, and the forward is removed', async () => {
    const said: string[] = [];
    const monitor = async (line: string) => {
      said.push(line.split(' ')[0]!);
      return '';
    };
    await assert.rejects(askGuest({ monitor, netdev: 'net0' }, 'sync', 200), {
      code: 'TARGET_UNREACHABLE',
    });
    assert.deepEqual(said, ['hostfwd_add', 'hostfwd_remove']);
  });

  const FACTS = `kernel=6.1.0
UserspaceTimestampMonotonic=2000000
ExecMainStartTimestampMonotonic=3500000
MemTotal=1000
MemAvailable=400
net.eth0=100 20
net.eth1=1 2
`;

  test('bring figures with their units, and say so where one is missing', () => {
    const facts = parseFacts(FACTS);
    assert.deepEqual(facts.memory, { totalBytes: 1_024_000, availableBytes: 409_600 });
    assert.deepEqual(facts.network, { receivedBytes: 101, sentBytes: 22 });
    assert.deepEqual([facts.userspaceMs, facts.serviceStartMs], [2000, 3500]);
    const none = parseFacts('kernel=6.1\nMemTotal=[not set]\n');
    assert.deepEqual(none.memory.totalBytes, { unavailable: 'the guest gave no MemTotal' });
    assert.deepEqual(none.network.sentBytes, { unavailable: 'the guest named no interface' });
  });

  test('place the guest’s own durations where its clock starts', () => {
    const phases = [{ name: 'VMM start', startMs: 0, endMs: 300, source: 'serial console' }];
    assert.deepEqual(
      guestPhases(phases, parseFacts(FACTS)).map(({ startMs, endMs }) => [startMs, endMs]),
      [
        [300, 2300],
        [2300, 3800],
      ],
    );
    assert.deepEqual(guestPhases([], parseFacts(FACTS)), []);
  });
});

describe('the choice of a provider', () => {
  test('is refused for a name or a path that does not exist, with those that do', async () => {
    await assert.rejects(chooseProvider('xen'), {
      code: 'UNKNOWN_PROVIDER',
      hint: /qemu and vagrant/,
    });
    assert.throws(() => choosePath('qemu', 'ssh-tunnel'), { code: 'BAD_FLAG', hint: /hostfwd/ });
    assert.equal(choosePath('vagrant', 'ssh-tunnel'), 'ssh-tunnel');
    assert.throws(() => choosePath('vagrant', 'bridge'), { code: 'BAD_FLAG' });
    const fault = bridgeFault();
    if (fault === null) assert.equal(choosePath('qemu', 'bridge'), 'bridge');
    else assert.throws(() => choosePath('qemu', 'bridge'), { code: 'TARGET_UNAVAILABLE' });
    assert.equal(choosePath('vagrant', null), 'hostfwd');
  });

  test('says why: what was asked for, or what is here', async () => {
    assert.match((await chooseProvider('vagrant')).why, /asked for/);
    assert.match((await chooseProvider(null)).why, /^(qemu|vagrant): /);
  });

  test('takes KVM only where its device can be opened', (t) => {
    assert.deepEqual(acceleration('/no/such/kvm'), { kind: 'tcg', reason: 'no /no/such/kvm' });
    const device = join(folderOf(t), 'kvm');
    writeFileSync(device, '');
    assert.equal(acceleration(device).kind, 'kvm');
    assert.deepEqual(
      ['x64', 'arm64', 's390x'].map((arch) => guestArchitecture(arch)),
      ['amd64', 'arm64', null],
    );
  });
});

function folderOf(t: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-vm-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
