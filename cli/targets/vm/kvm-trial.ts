/**
 * Does the guest's kernel run on this host's KVM? A /dev/kvm that opens proves nothing: a nested or
 * software KVM may fail on an instruction of the kernel's early boot ("KVM internal error", the
 * machine then stands still for ever) or be slower than emulation. So kernel and initramfs are
 * booted once, before any clock runs, until the initramfs speaks. The verdict is kept for as long
 * as host boot, QEMU and kernel are the same.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { infraFolder } from '../../host/paths.ts';
import { lastLines, type Run, throwIfAborted } from '../command.ts';
import { OWNER_MARKER } from '../process-identity.ts';
import { ownerTag } from '../state.ts';
import type { Progress } from '../target.ts';
import { boxFile, readManifest, vmCacheFolder } from './box.ts';
import { boxRecipe } from './box-recipe.ts';
import { cleanLine, faultOfVmm, markOf } from './console.ts';
import {
  type Acceleration,
  acceleration,
  emulatorName,
  findProgram,
  type GuestArchitecture,
  guestArchitecture,
} from './host.ts';
import { trialArguments } from './qemu-command.ts';

/** An emulated boot needs two to three seconds for this on an idle host. */
const TRIAL_TIMEOUT_MS = 30_000;
/** No emulator boots the kernel in less: then nothing need be compared. */
const SURELY_KVM_MS = 1_000;

const verdictSchema = z.object({
  schemaVersion: z.literal(1),
  key: z.string(),
  usable: z.boolean(),
  /** Why not, in words that follow "/dev/kvm is there, but"; null where it is usable. */
  reason: z.string().nullable(),
  /** Ms from the start of QEMU to the first word of the initramfs; null: not reached, not run. */
  kvmMs: z.number().nullable(),
  tcgMs: z.number().nullable(),
});

export type KvmVerdict = z.infer<typeof verdictSchema>;

/** What a verdict holds for. */
export interface TrialSubject {
  architecture: GuestArchitecture;
  emulator: string;
  kernel: string;
  initrd: string;
  kernelSha256: string;
}

export function acceleratorOf(verdict: KvmVerdict): Acceleration {
  return verdict.usable
    ? { kind: 'kvm', reason: null }
    : { kind: 'tcg', reason: `/dev/kvm is there, but ${verdict.reason}` };
}

/**
 * What a deployment would use as far as it is known without a trial. `tried: false`: KVM can be
 * opened, and whether the guest's kernel runs on it is found out by the next deployment.
 */
export function knownAcceleration(): Acceleration & { tried: boolean } {
  const offered = acceleration();
  if (offered.kind !== 'kvm') return { ...offered, tried: true };
  const subject = cachedSubject();
  const verdict = subject && readVerdict(subject);
  return verdict ? { ...acceleratorOf(verdict), tried: true } : { ...offered, tried: false };
}

/**
 * KVM or emulation, tried with the real kernel where it has not been yet.
 * @throws INTERRUPTED
 */
export async function settleAcceleration(
  subject: TrialSubject,
  request: { run: Run; progress: Progress; signal: AbortSignal },
  offered = acceleration(),
): Promise<Acceleration & { cached: boolean }> {
  if (offered.kind !== 'kvm') return { ...offered, cached: true };
  const known = readVerdict(subject);
  if (known) return { ...acceleratorOf(known), cached: true };
  request.progress.step('trying KVM with the guest’s kernel (once)');
  const verdict = await tryKvm(subject, request.run, request.signal);
  writeVerdict(verdict);
  return { ...acceleratorOf(verdict), cached: false };
}

/** Pure but for `run` and the clock. @throws INTERRUPTED */
export async function tryKvm(
  subject: TrialSubject,
  run: Run,
  signal: AbortSignal,
): Promise<KvmVerdict> {
  const verdict = (reason: string | null, kvmMs: number | null, tcgMs: number | null = null) => ({
    schemaVersion: 1 as const,
    key: keyOf(subject),
    usable: reason === null,
    reason,
    kvmMs,
    tcgMs,
  });
  const kvm = await boot(subject, 'kvm', run, signal, TRIAL_TIMEOUT_MS);
  if (kvm.fault !== null)
    return verdict(`the guest’s kernel does not run on it: ${kvm.fault}`, null);
  if (kvm.ms <= SURELY_KVM_MS) return verdict(null, kvm.ms);
  // emulation gets as long as KVM took: if it is not faster, KVM is the better one
  const tcg = await boot(subject, 'tcg', run, signal, Math.ceil(kvm.ms));
  if (tcg.fault !== null) return verdict(null, kvm.ms);
  const slower = `it is slower than emulation: the kernel is up after ${seconds(kvm.ms)} s, emulated after ${seconds(tcg.ms)} s`;
  return verdict(slower, kvm.ms, tcg.ms);
}

/** A machine that KVM gave up on although the trial went well: the next one is emulated. */
export function recordKvmFailure(subject: TrialSubject, reason: string): void {
  writeVerdict({
    schemaVersion: 1,
    key: keyOf(subject),
    usable: false,
    reason: `the guest did not run on it: ${reason}`,
    kvmMs: null,
    tcgMs: null,
  });
}

type Boot = { fault: null; ms: number } | { fault: string };

async function boot(
  subject: TrialSubject,
  kind: Acceleration['kind'],
  run: Run,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Boot> {
  const enough = new AbortController();
  const startedAt = performance.now();
  let upMs: number | null = null;
  let internalError: string | null = null;
  let said = '';
  const onLine = (line: string) => {
    const text = cleanLine(line);
    said = text.trim() === '' ? said : text.trim();
    if (markOf(text) === 'userspace') upMs ??= performance.now() - startedAt;
    internalError ??= faultOfVmm(text);
    if (upMs !== null || internalError !== null) enough.abort();
  };
  const result = await run(subject.emulator, trialArguments({ ...subject, acceleration: kind }), {
    signal: AbortSignal.any([signal, enough.signal]),
    timeoutMs,
    onLine,
    // so that `down --all` finds it where this process is killed
    env: { [OWNER_MARKER]: ownerTag() },
  }).catch((error: unknown) => {
    if (enough.signal.aborted && !signal.aborted) return null;
    throw error;
  });
  throwIfAborted(signal);
  if (upMs !== null) return { fault: null, ms: upMs };
  if (internalError !== null) return { fault: internalError };
  if (result?.timedOut) {
    return {
      fault: `not up after ${seconds(timeoutMs)} s${said === '' ? ', silent' : `, last line "${said}"`}`,
    };
  }
  const words = lastLines(result?.stderr ?? '', 1) || said;
  return { fault: words === '' ? `QEMU ended with ${result?.code}` : words };
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

/** The box that the next deployment would use, if it has been made. */
function cachedSubject(): TrialSubject | null {
  const architecture = guestArchitecture();
  const emulator = architecture && findProgram(emulatorName(architecture));
  if (!architecture || !emulator) return null;
  const { key } = boxRecipe(architecture, join(infraFolder, 'vm'));
  const folder = join(vmCacheFolder(), `box-${key.slice(0, 16)}`);
  if (!existsSync(folder)) return null;
  try {
    const { files } = readManifest(folder);
    return trialSubject(folder, architecture, emulator, files.vmlinux.sha256);
  } catch {
    return null; // damaged: it is built again by the next deployment
  }
}

export function trialSubject(
  folder: string,
  architecture: GuestArchitecture,
  emulator: string,
  kernelSha256: string,
): TrialSubject {
  const kernel = boxFile({ folder }, 'vmlinux');
  return {
    architecture,
    emulator,
    kernel,
    initrd: boxFile({ folder }, 'initrd.img'),
    kernelSha256,
  };
}

/** Host boot, QEMU (its file: another version is another one) and kernel. */
function keyOf({ emulator, kernelSha256 }: TrialSubject): string {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const file = statSync(emulator, { throwIfNoEntry: false });
  const parts = [bootId, emulator, file?.size, file?.mtimeMs, kernelSha256];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function verdictFile(): string {
  return join(vmCacheFolder(), 'kvm-trial.json');
}

function readVerdict(subject: TrialSubject): KvmVerdict | null {
  try {
    const verdict = verdictSchema.parse(JSON.parse(readFileSync(verdictFile(), 'utf8')));
    return verdict.key === keyOf(subject) ? verdict : null;
  } catch {
    return null; // none yet, or of another version: it is tried again
  }
}

function writeVerdict(verdict: KvmVerdict): void {
  mkdirSync(vmCacheFolder(), { recursive: true });
  const work = `${verdictFile()}.${process.pid}`;
  writeFileSync(work, `${JSON.stringify(verdict, null, 2)}\n`);
  renameSync(work, verdictFile());
}
