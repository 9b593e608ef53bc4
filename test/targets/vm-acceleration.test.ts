/** KVM is tried with the guest's kernel: what each outcome of that boot means, and what is kept. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostAccess } from '../../cli/host/checks/check.ts';
import { vmChecks } from '../../cli/host/checks/vm.ts';
import { type Run, throwIfAborted } from '../../cli/targets/command.ts';
import { identify } from '../../cli/targets/process-identity.ts';
import { faultOfVmm } from '../../cli/targets/vm/console.ts';
import {
  acceleratorOf,
  recordKvmFailure,
  settleAcceleration,
  type TrialSubject,
  tryKvm,
} from '../../cli/targets/vm/kvm-trial.ts';
import { machineFiles } from '../../cli/targets/vm/names.ts';
import { QemuMachine } from '../../cli/targets/vm/qemu-machine.ts';
import { exampleState } from './example-state.ts';
import { fakeRun, NEVER, recordingProgress, stateSandbox, withEnvironment } from './harness.ts';

const subject: TrialSubject = {
  architecture: 'amd64',
  emulator: '/usr/bin/qemu-system-x86_64',
  kernel: '/box/vmlinux',
  initrd: '/box/initrd.img',
  kernelSha256: 'abc',
};
const OFFERED = { kind: 'kvm', reason: null } as const;
const KERNEL = '[    0.000000] Linux version 6.1.0 (gcc)';
const UP = 'scratchpad: userspace\r';

interface Machine {
  lines: string[];
  /** Before the lines. */
  afterMs?: number;
  /** Ends by itself with this code; otherwise it runs until it is told to end. */
  code?: number;
  stderr?: string;
}

/** QEMU's process boundary: one machine for each accelerator. */
function qemu(machines: { kvm: Machine; tcg?: Machine }) {
  const started: string[] = [];
  const run: Run = async (_file, args, options = {}) => {
    const kind = args[args.indexOf('-accel') + 1]!.startsWith('kvm') ? 'kvm' : 'tcg';
    started.push(kind);
    const machine = machines[kind];
    if (!machine) throw new Error(`${kind} was not expected`);
    const { lines, afterMs = 0, code, stderr = '' } = machine;
    const limit = AbortSignal.timeout(options.timeoutMs!);
    await sleep(afterMs, undefined, { signal: limit }).catch(() => {});
    if (!limit.aborted) for (const line of lines) options.onLine?.(line);
    const ended = (timedOut: boolean) => ({
      ...{ code: code ?? null, signal: null, stdout: '', stderr },
      ...{ durationMs: 1, timedOut, missing: false },
    });
    if (code !== undefined) return ended(false);
    throwIfAborted(options.signal);
    return ended(true);
  };
  return { run, started };
}

describe('KVM that can be opened', () => {
  test('is used where the guest’s kernel comes up on it at once; nothing is compared', async () => {
    const { run, started } = qemu({ kvm: { lines: [KERNEL, UP] } });
    const verdict = await tryKvm(subject, run, NEVER);
    assert.deepEqual([verdict.usable, verdict.reason, started], [true, null, ['kvm']]);
    assert.deepEqual(acceleratorOf(verdict), OFFERED);
  });

  test('is not where QEMU reports an internal error: emulated, with that reason', async () => {
    const said = 'KVM internal error. Suberror: 1';
    const { run } = qemu({ kvm: { lines: [KERNEL, said, 'emulation failure'] } });
    const { kind, reason } = acceleratorOf(await tryKvm(subject, run, NEVER));
    assert.equal(kind, 'tcg');
    assert.equal(
      reason,
      '/dev/kvm is there, but the guest’s kernel does not run on it: KVM internal error. Suberror: 1',
    );
  });

  test('is not where the machine says nothing more, or QEMU refuses to start', async () => {
    const silent = await tryKvm(subject, qemu({ kvm: { lines: [KERNEL] } }).run, NEVER);
    assert.match(String(silent.reason), /not up after 30\.0 s, last line ".*Linux version/);
    const kvm = { lines: [], code: 1, stderr: 'qemu: failed to initialize kvm: Invalid argument' };
    const refused = await tryKvm(subject, qemu({ kvm }).run, NEVER);
    assert.match(String(refused.reason), /failed to initialize kvm: Invalid argument/);
  });

  test('is not where emulation has the kernel up sooner, and is where it has not', async () => {
    const slow = { lines: [UP], afterMs: 1_100 };
    const faster = await tryKvm(subject, qemu({ kvm: slow, tcg: { lines: [UP] } }).run, NEVER);
    assert.match(String(faster.reason), /slower than emulation: the kernel is up after 1\.\d s/);
    assert.ok(faster.tcgMs! < faster.kvmMs!);
    const tcg = { lines: [UP], afterMs: 60_000 };
    const slower = await tryKvm(subject, qemu({ kvm: slow, tcg }).run, NEVER);
    assert.equal(slower.usable, true);
  });

  test('is tried once for this host boot, QEMU and kernel, and again for another kernel', async (t) => {
    cacheFor(t);
    const { run, started } = qemu({ kvm: { lines: ['KVM internal error. Suberror: 3'] } });
    const settle = (of: TrialSubject) => {
      const request = { run, progress: recordingProgress(), signal: NEVER };
      return settleAcceleration(of, request, OFFERED);
    };
    const first = await settle(subject);
    const second = await settle(subject);
    assert.deepEqual([first.cached, second.cached, started.length], [false, true, 1]);
    assert.deepEqual([second.kind, second.reason], ['tcg', first.reason]);
    await settle({ ...subject, kernelSha256: 'def' });
    assert.equal(started.length, 2);
  });

  test('that fails in a later boot is not used again', async (t) => {
    cacheFor(t);
    recordKvmFailure(subject, 'KVM internal error. Suberror: 1');
    const { run, started } = qemu({ kvm: { lines: [UP] } });
    const request = { run, progress: recordingProgress(), signal: NEVER };
    const { kind, reason } = await settleAcceleration(subject, request, OFFERED);
    assert.deepEqual([kind, started], ['tcg', []]);
    assert.match(String(reason), /the guest did not run on it: KVM internal error/);
  });

  test('whose trial is interrupted gives no verdict', async (t) => {
    cacheFor(t);
    const { run } = qemu({ kvm: { lines: [KERNEL] } });
    const request = { run, progress: recordingProgress(), signal: AbortSignal.abort() };
    await assert.rejects(settleAcceleration(subject, request, OFFERED), { code: 'INTERRUPTED' });
  });
});

test('without KVM nothing is started', async () => {
  const none = { kind: 'tcg', reason: 'no /dev/kvm' } as const;
  const { run, started } = qemu({ kvm: { lines: [] } });
  const request = { run, progress: recordingProgress(), signal: NEVER };
  const settled = await settleAcceleration(subject, request, none);
  assert.deepEqual([settled.kind, settled.reason, started], ['tcg', 'no /dev/kvm', []]);
});

test('QEMU’s own words are told from its register dump', () => {
  const log = 'KVM internal error. Suberror: 1\nemulation failure\nRAX=0000000000000000 RBX=…';
  assert.equal(faultOfVmm(log), 'KVM internal error. Suberror: 1');
  assert.equal(faultOfVmm('qemu: terminating on signal 15'), null);
});

test('doctor tells the same: not tried yet, tried, or why it is emulated', async () => {
  const host: HostAccess = {
    run: fakeRun([]).run,
    platform: 'linux',
    which: () => null,
    exists: () => true,
    writable: () => true,
    answers: async () => false,
  };
  const found = async (known: Parameters<typeof vmChecks>[1]) => {
    const checks = await vmChecks(host, known);
    const { status, found: text } = checks.find(({ name }) => name === 'acceleration')!;
    return `${status}: ${text}`;
  };
  assert.match(await found(() => ({ ...OFFERED, tried: false })), /^ok: kvm.*not tried yet/);
  assert.equal(await found(() => ({ ...OFFERED, tried: true })), 'ok: kvm');
  const reason = '/dev/kvm is there, but the guest’s kernel does not run on it: KVM internal error';
  assert.match(
    await found(() => ({ kind: 'tcg', reason, tried: true })),
    /^limited: \/dev\/kvm is there, but .* KVM internal error; so .*emulated \(tcg\)/,
  );
});

describe('a machine that QEMU has given up on', () => {
  for (const [status, code, next] of [
    ['internal-error', 'VM_CPU_FAILED', 'tcg'],
    ['guest-panicked', 'VM_KERNEL_PANIC', 'kvm'],
  ] as const) {
    test(`(${status}) is dead at once, its console kept, and the next one uses ${next}`, async (t) => {
      cacheFor(t);
      const state = stateOfMachine(stateSandbox(t), 'kvm');
      const files = machineFiles(state.id);
      mkdirSync(files.folder, { recursive: true });
      writeFileSync(files.consoleLog, `${KERNEL}\n`);
      writeFileSync(files.qemuLog, 'KVM internal error. Suberror: 1\nRAX=0000000000000000\n');
      await monitorThatSays(t, files.controlSocket, status);
      const found = await new QemuMachine(state).liveness();
      assert.deepEqual([found.alive, found.code], [false, code]);
      const kept = /^KVM internal error\. Suberror: 1; console log: (.*)$/.exec(found.detail)?.[1];
      assert.equal(readFileSync(kept ?? '', 'utf8'), `${KERNEL}\n`);
      const { run } = qemu({ kvm: { lines: [UP] } });
      const request = { run, progress: recordingProgress(), signal: NEVER };
      const handles = state.prepared!.handles as unknown as TrialSubject & { boxFolder: string };
      const again = await settleAcceleration(handles, request, OFFERED);
      assert.equal(again.kind, next);
    });
  }

  test('is not taken for one that runs', async (t) => {
    const state = stateOfMachine(stateSandbox(t), 'tcg');
    const { folder, controlSocket } = machineFiles(state.id);
    mkdirSync(folder, { recursive: true });
    await monitorThatSays(t, controlSocket, 'running');
    assert.equal((await new QemuMachine(state).liveness()).alive, true);
  });
});

/** Its QEMU is this process: alive. */
function stateOfMachine(folder: string, acceleration: 'kvm' | 'tcg') {
  const state = exampleState({ target: 'vm', provider: 'qemu' });
  state.plan.acceleration = acceleration;
  state.resources = { process: identify(process.pid) };
  const handles = { ...subject, boxFolder: folder };
  state.prepared = {
    ...{ durationMs: 1, cached: true, artifactSha256: 'a', runtimeSha256: 'r' },
    ...{ steps: [], warnings: [], handles },
  };
  return state;
}

/** QEMU's monitor, which knows one answer. */
async function monitorThatSays(t: TestContext, path: string, status: string): Promise<void> {
  const server = createServer((socket) => {
    socket.write('{"QMP": {}}\n');
    socket.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.trim().split('\n')) {
        const asked = (JSON.parse(line) as { execute: string }).execute;
        const value = asked === 'query-status' ? { status } : {};
        socket.write(`${JSON.stringify({ return: value })}\n`);
      }
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
}

function cacheFor(t: TestContext): void {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-kvm-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  withEnvironment(t, { SCRATCHPAD_CACHE_DIR: folder });
}
