/** `doctor`: what this host can run, what is missing, and the command that mends it. */
import { isScratchpadError } from '../errors.ts';
import { allTargetNames, loadTarget } from '../targets/registry.ts';
import type { Availability } from '../targets/target.ts';
import { type Check, type HostAccess, thisHost } from './checks/check.ts';
import { commonChecks } from './checks/common.ts';
import { dockerChecks } from './checks/docker.ts';
import { vmChecks } from './checks/vm.ts';
import type { InstallResult } from './install.ts';

export interface TargetVerdict {
  name: string;
  available: boolean;
  provider: string | null;
  /** Why not; null where it is available. */
  reason: string | null;
  mend: string | null;
  notes: string[];
}

export interface DoctorReport {
  schemaVersion: 1;
  kind: 'doctor';
  targets: TargetVerdict[];
  checks: Check[];
}

/** Looks, changes nothing. Bounded: each question has a time-out of at most 15 s. */
export async function runDoctor(host: HostAccess = thisHost): Promise<DoctorReport> {
  const [common, docker, vm, targets] = await Promise.all([
    commonChecks(),
    dockerChecks(host),
    vmChecks(host),
    allTargetNames().then((names) => Promise.all(names.map(verdictOn))),
  ]);
  const checks = [...common, ...docker, ...vm];
  return { schemaVersion: 1, kind: 'doctor', targets: targets.map(withChecks(checks)), checks };
}

/** A target that fails at being asked is one that cannot run, not a reason to say nothing at all. */
async function verdictOn(name: string): Promise<TargetVerdict> {
  const answer = await availabilityOf(name);
  const { available, provider } = answer;
  return available
    ? { name, available, provider, reason: null, mend: null, notes: answer.notes }
    : { name, available, provider, reason: answer.reason, mend: answer.hint, notes: [] };
}

async function availabilityOf(name: string): Promise<Availability> {
  try {
    return await (await loadTarget(name)).availability(null);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = isScratchpadError(error) ? error.hint : undefined;
    return { available: false, provider: null, reason, hint: hint ?? 'See the checks below.' };
  }
}

/** A target that its engine would run still needs the artifact, and a container a base image. */
function withChecks(checks: readonly Check[]): (verdict: TargetVerdict) => TargetVerdict {
  return (verdict) => {
    if (!verdict.available) return verdict;
    const lacking = checks.find(
      (check) => check.status === 'missing' && (check.for === 'all' || check.for === verdict.name),
    );
    if (!lacking) return verdict;
    const reason = `${lacking.name}: ${lacking.found}`;
    return { ...verdict, available: false, reason, mend: lacking.mend };
  };
}

/** What `doctor --install` has changed on this host. */
export function formatInstalled({ installed, started }: InstallResult): string {
  const list = (names: string[]) => (names.length === 0 ? 'nothing' : names.join(', '));
  return `installed: ${list(installed)}; started, and answering: ${list(started)}`;
}

const MARKS: Record<Check['status'], string> = {
  ok: 'ok',
  limited: 'limited',
  missing: 'MISSING',
  'not needed': '-',
};

/** The report as text for a terminal: targets first, then what they rest on. */
export function formatDoctor({ targets, checks }: DoctorReport): string {
  const lines: string[] = [];
  for (const { name, available, provider, reason, mend, notes } of targets) {
    const label = provider ? `${name} (${provider})` : name;
    lines.push(
      `${label.padEnd(14)} ${available ? 'yes' : 'no '}  ${reason ?? notes.join('; ')}`.trimEnd(),
    );
    if (mend !== null) lines.push(`${' '.repeat(20)}→ ${mend}`);
  }
  lines.push('');
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, status, found, mend } of checks) {
    lines.push(`${name.padEnd(width)}  ${MARKS[status].padEnd(7)}  ${found}`);
    if (mend !== null) lines.push(`${' '.repeat(width + 11)}→ ${mend}`);
  }
  return lines.join('\n');
}
