/** Faults that other tests bring about: those of machines, which take a minute to boot. */
import { type Fault, provenElsewhere } from './fault.ts';

const QEMU = 'test/platform/vm-failures.long.test.ts';
const NONE: Pick<Fault, 'kept' | 'left' | 'needs'> = {
  kept: 'nothing',
  left: 'nothing',
  needs: ['vm'],
};

const MACHINES: Array<Fault & { test: string }> = [
  {
    fault: 'the guest’s kernel panics',
    stage: 'deploy vm: start-up',
    exit: 3,
    code: 'VM_KERNEL_PANIC',
    message: '…',
    ...NONE,
    test: 'by a panic of its kernel says so, and its console log is there',
  },
  {
    fault: 'the disk with the artifact is damaged',
    stage: 'deploy vm: start-up',
    exit: 3,
    code: 'VM_BOOT_FAILED',
    message: '…',
    ...NONE,
    test: 'half-way names what it lacks',
  },
  {
    fault: 'the machine hangs half-way through its boot',
    stage: 'deploy vm: start-up',
    exit: 3,
    code: 'VM_GUEST_HUNG',
    message: '…',
    ...NONE,
    test: 'by hanging in mid-boot is not waited for to the end',
  },
  {
    fault: 'the box in the cache was cut off: it is built again, with a warning',
    stage: 'deploy vm: prepare',
    exit: 0,
    code: null,
    message: null,
    ...NONE,
    test: 'whose box is cut off has it built again before it boots',
  },
  {
    fault: 'the disk inside of the machine is full: posts are refused, what is there is served',
    stage: 'vm: in use',
    exit: 0,
    code: null,
    message: null,
    ...NONE,
    test: 'because its own disk is full answers with errors, and lives',
  },
  {
    fault: 'another program takes the machine’s port meanwhile',
    stage: 'deploy vm: start',
    exit: 3,
    code: 'PORT_IN_USE',
    message: '…',
    ...NONE,
    test: 'because its port is taken meanwhile is told by that',
  },
  {
    fault: 'interrupted while the machine boots',
    stage: 'deploy vm: start-up',
    exit: 130,
    code: 'INTERRUPTED',
    message: '…',
    ...NONE,
    test: 'when it is interrupted during its boot leaves nothing',
  },
  {
    fault: 'SIGKILL of the CLI while the machine boots',
    stage: 'deploy vm: start-up',
    exit: 'SIGKILL',
    code: null,
    message: null,
    ...NONE,
    left: 'down --all',
    test: 'with the CLI killed is removed by down --all',
  },
  {
    fault: 'the disk of the host is full, and the machine is paused for it',
    stage: 'vm: under load',
    exit: 3,
    code: 'DISK_FULL',
    message: '…',
    ...NONE,
    test: 'because the host’s disk is full is paused, and says so',
  },
];
for (const row of MACHINES) provenElsewhere({ ...row, file: QEMU });
