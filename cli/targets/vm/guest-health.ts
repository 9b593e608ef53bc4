/**
 * What may be wrong with a machine, whoever runs it, as its liveness: a boot that failed or hangs, a
 * machine that QEMU gave up on. The console log that explains it is kept, since `destroy` removes it.
 */
import { tailOfFile } from '../log-file.ts';
import type { Deployment, DeploymentPlan, DeploymentState } from '../target.ts';
import { faultIn, hangIn, MAX_SILENCE_MS, type SerialConsole } from './console.ts';
import { keepLog } from './kept-log.ts';
import { recordKvmFailure, trialSubject } from './kvm-trial.ts';
import type { VmHandles } from './qemu-machine.ts';

export type Liveness = Awaited<ReturnType<Deployment['liveness']>>;

/** Longest silence of the console before the workload listens. */
export function maxSilenceMs({ acceleration }: DeploymentPlan): number {
  return MAX_SILENCE_MS[acceleration === 'kvm' ? 'kvm' : 'tcg'];
}

/** null: the boot goes on, or is done. `sinceNs`: when the machine was started. */
export function hungGuest(
  { id }: DeploymentState,
  consoleLog: string,
  { console, sinceNs, maxMs }: { console: SerialConsole; sinceNs: bigint; maxMs: number },
): Liveness | null {
  console.read();
  const hang = hangIn(console.lines, sinceNs, process.hrtime.bigint(), maxMs);
  if (hang === null) return null;
  const detail = `${hang}; console log: ${keepLog(id, consoleLog)}`;
  return { alive: false, detail, code: 'VM_GUEST_HUNG' };
}

/** What the console of a machine that has ended says of its boot; null: nothing. */
export function failedBoot({ id }: DeploymentState, consoleLog: string): Liveness | null {
  const fault = faultIn(tailOfFile(consoleLog, 200));
  if (fault === null) return null;
  const detail = `${fault.detail}; console log: ${keepLog(id, consoleLog)}`;
  return { alive: false, detail, code: fault.code };
}

/**
 * A machine in a state of QEMU's that it does not leave by itself, with what QEMU said of it. Where the
 * kernel's trial went well and yet KVM failed, the next machine is emulated.
 */
export function brokenMachine(
  { id, plan, prepared }: DeploymentState,
  consoleLog: string,
  status: string,
  said: string | null = null,
): Liveness {
  if (plan.acceleration === 'kvm' && status === 'internal-error') {
    const handles = prepared?.handles as unknown as VmHandles;
    const { boxFolder, architecture, emulator, kernelSha256 } = handles;
    recordKvmFailure(trialSubject(boxFolder, architecture, emulator, kernelSha256), said ?? status);
  }
  return {
    alive: false,
    detail: `${said ?? `the machine stands still (${status})`}; console log: ${keepLog(id, consoleLog)}`,
    code: status === 'guest-panicked' ? 'VM_KERNEL_PANIC' : 'VM_CPU_FAILED',
  };
}

/** For the words about a machine that lives; empty where nothing was started again. */
export function restartedWords(restarts: number | null): string[] {
  return restarts ? [`the workload ended in the guest and was started again: ${restarts}×`] : [];
}
