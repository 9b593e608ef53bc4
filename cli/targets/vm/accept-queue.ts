/**
 * The accept queue of a port that QEMU's user network forwards. libslirp listens with a backlog of 1
 * and has no setting for it: of connections that come together the kernel drops most, and they come
 * through after 1 s, or, where it had answered by SYN cookie, after minutes. That would be in the
 * figures of whoever opens more than a few at once, and is no property of the machine.
 */
import { join } from 'node:path';
import { infraFolder } from '../../host/paths.ts';
import { lastLines, type Run, runCommand } from '../command.ts';
import type { DeploymentPlan } from '../target.ts';

/** Far more than a load opens; the kernel caps it at net.core.somaxconn. */
const DEPTH = 4096;
const TIMEOUT_MS = 10_000;

/** Deepens it for the port of `plan`, which QEMU, `pid`, listens on; where it can't, the plan warns. */
export async function deepenAcceptQueue(
  plan: DeploymentPlan,
  pid: number,
  run: Run = runCommand,
): Promise<void> {
  const why = await failureOf(pid, plan.options.port, run);
  if (why === null) return;
  const warning = `vm: QEMU takes one new connection at a time, many at once stall for seconds (its accept queue was not deepened: ${why})`;
  if (!plan.warnings.includes(warning)) plan.warnings.push(warning);
}

async function failureOf(pid: number, port: number, run: Run): Promise<string | null> {
  if (process.platform !== 'linux') return 'only Linux offers a way';
  const script = join(infraFolder, 'vm', 'deepen-accept-queue.pl');
  const args = [script, pid, port, DEPTH].map(String);
  const result = await run('perl', args, { timeoutMs: TIMEOUT_MS });
  if (result.missing) return 'perl is not installed';
  return result.code === 0 ? null : lastLines(result.stderr, 1) || 'perl did not end';
}
