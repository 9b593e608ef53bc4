/** The machine as a QEMU command line. Pure: what is run can be read and tested without QEMU. */
import type { Acceleration, GuestArchitecture } from './host.ts';

export interface MachineSpec {
  /** Shown in the process list and to QEMU's own logs. */
  name: string;
  emulator: string;
  architecture: GuestArchitecture;
  acceleration: Acceleration['kind'];
  cpus: number;
  memoryBytes: number;
  kernel: string;
  initrd: string;
  /** qcow2, written by this machine alone. */
  overlay: string;
  /** Raw, read-only. */
  artifactDisk: string;
  /** A second interface, of the path `bridge`; absent: the user network's alone. */
  tap?: { name: string; mac: string } | undefined;
  /** Kernel parameters after the fixed ones. */
  parameters: readonly string[];
  /** Everything that the console ever printed. */
  consoleLog: string;
  /** For stop, liveness and forwarding; and one for the meter, since each serves one client. */
  controlSocket: string;
  meterSocket: string;
}

/** Port of the workload inside; the same in every deployment. */
export const GUEST_PORT = 5001;
/** Where guest-control.socket listens inside. */
export const GUEST_CONTROL_PORT = 5002;
/** Name of the user network, for hostfwd_add. */
export const NETDEV = 'net0';
/** Name of the drive that holds the machine's own writes, as in query-blockstats. */
export const ROOT_DRIVE = 'root';

export function qemuArguments(spec: MachineSpec): string[] {
  const mebibytes = Math.floor(spec.memoryBytes / 1024 / 1024);
  return [
    ['-name', `${spec.name},process=${spec.name}`],
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', machine(spec)],
    ['-accel', accelerator(spec)],
    ['-cpu', processor(spec)],
    ['-smp', String(Math.max(1, Math.ceil(spec.cpus)))],
    ['-m', `${mebibytes}M`],
    ['-kernel', spec.kernel, '-initrd', spec.initrd],
    ['-append', kernelParameters(spec.architecture, spec.acceleration, spec.parameters)],
    ['-chardev', `file,id=console,path=${comma(spec.consoleLog)},append=on`],
    ['-serial', 'chardev:console'],
    ['-qmp', `unix:${comma(spec.controlSocket)},server=on,wait=off`],
    ['-qmp', `unix:${comma(spec.meterSocket)},server=on,wait=off`],
    // cache=writeback honours the guest's flushes: the same durability as a file on the host.
    // werror=stop: a full disk of the host pauses the machine, and liveness says so.
    [
      '-drive',
      `if=none,id=${ROOT_DRIVE},file=${comma(spec.overlay)},format=qcow2,cache=writeback,discard=unmap,werror=stop,rerror=stop`,
    ],
    ['-device', `virtio-blk-pci,drive=${ROOT_DRIVE},serial=scratchpad`],
    ['-drive', `if=none,id=artifact,file=${comma(spec.artifactDisk)},format=raw,readonly=on`],
    ['-device', `virtio-blk-pci,drive=artifact,serial=artifact`],
    // Its one forward is added when the workload listens (see qemu-machine.ts): until then the
    // port refuses on the host. With it from the start, each poll of the probe would be a packet
    // that the booting guest must answer, 200 a second on the one vCPU that is measured.
    ['-netdev', `user,id=${NETDEV},ipv6=off`],
    // no boot ROM: this machine never boots from the network
    ['-device', `virtio-net-pci,netdev=${NETDEV},romfile=`],
    ...(spec.tap === undefined ? [] : tapArguments(spec.tap)),
    ['-device', 'virtio-balloon-pci,id=balloon0'],
    ['-device', 'virtio-rng-pci'],
  ].flat();
}

function tapArguments({ name, mac }: { name: string; mac: string }): string[][] {
  return [
    ['-netdev', `tap,id=bridge0,ifname=${name},script=no,downscript=no`],
    ['-device', `virtio-net-pci,netdev=bridge0,mac=${mac},romfile=`],
  ];
}

/**
 * Kernel and initramfs alone, console on standard output, no disk: only to see whether they run
 * (kvm-trial.ts). Machine and processor are those of the real machine.
 */
export function trialArguments(
  spec: Pick<MachineSpec, 'architecture' | 'acceleration' | 'kernel' | 'initrd'>,
): string[] {
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', machine(spec)],
    ['-accel', accelerator(spec)],
    ['-cpu', processor(spec)],
    ['-m', '256M'],
    ['-kernel', spec.kernel, '-initrd', spec.initrd],
    ['-append', kernelParameters(spec.architecture, spec.acceleration, [])],
    ['-chardev', 'stdio,id=console,signal=off'],
    ['-serial', 'chardev:console'],
  ].flat();
}

/**
 * KVM: the host's own. TCG: all that the emulator can do. Node needs SSE4.2 at least, and with AVX2
 * it starts in 1.3 s instead of 2.2 s (measured under emulation).
 */
function processor({ acceleration }: Pick<MachineSpec, 'acceleration'>): string {
  return acceleration === 'kvm' ? 'host' : 'max';
}

/**
 * pc (i440FX) and not q35: the same devices for this guest, and under emulation it boots half a
 * second sooner. libvirt's default on Debian is the same.
 */
function machine({
  architecture,
  acceleration,
}: Pick<MachineSpec, 'architecture' | 'acceleration'>): string {
  if (architecture === 'amd64') return 'pc,usb=off,vmport=off';
  // with KVM the guest must have the host's interrupt controller
  return acceleration === 'kvm' ? 'virt,gic-version=host' : 'virt';
}

function accelerator({ acceleration }: Pick<MachineSpec, 'acceleration'>): string {
  return acceleration === 'kvm' ? 'kvm' : 'tcg,thread=multi';
}

/** Fixed parameters first; shared with Vagrant's machine. */
export function kernelParameters(
  architecture: GuestArchitecture,
  acceleration: Acceleration['kind'],
  parameters: readonly string[],
): string {
  const early =
    architecture === 'amd64'
      ? ['console=ttyS0', 'earlyprintk=serial,ttyS0,115200']
      : ['console=ttyAMA0', 'earlycon'];
  return [
    ...early,
    // 6: a dozen lines of the kernel, the first of them the moment at which it starts; the serial
    // line is slow, so the other three hundred stay in dmesg
    'loglevel=6',
    'systemd.show_status=no',
    // Panic ends the machine at once (with -no-reboot), instead of hanging until somebody looks.
    'panic=-1',
    // No security modules that nobody configures here (each slows every system call and systemd's
    // start), no watchdog.
    'lsm=landlock,yama',
    'nowatchdog',
    // An emulated CPU does not speculate, so there is nothing to mitigate; with KVM the kernel's
    // own choice stands, as on a real host.
    ...(acceleration === 'tcg' ? ['mitigations=off'] : []),
    ...parameters,
  ].join(' ');
}

/** QEMU's option parser takes a doubled comma for a comma. */
function comma(value: string): string {
  return value.replaceAll(',', ',,');
}
