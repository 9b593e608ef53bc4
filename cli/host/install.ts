/**
 * `doctor --install`, on Debian and Ubuntu: what is missing comes from the distribution's own
 * packages, then the daemons are started, by systemd where it runs and by hand where not. Idempotent.
 */
import { ScratchpadError } from '../errors.ts';
import { lastLines, type RunOptions, throwIfAborted } from '../targets/command.ts';
import type { Progress } from '../targets/target.ts';
import { type HostAccess, thisHost } from './checks/check.ts';
import { startDocker, startLibvirt } from './daemons.ts';
import { PARTS, type Part, requirementsOf, stillMissing } from './packages.ts';

export interface InstallRequest {
  what: readonly Part[];
}

export interface InstallResult {
  /** Packages that were installed now. */
  installed: string[];
  /** Daemons that were started now. */
  started: string[];
}

const APT_TIMEOUT_MS = 15 * 60_000;
/** Another apt may be at work: unattended upgrades right after boot. */
const APT_LOCK_SECONDS = 120;

/** `docker,vm` → parts; undefined: all. @throws BAD_FLAG */
export function parseParts(only: string | undefined): Part[] {
  if (only === undefined) return [...PARTS];
  const names = only.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(PARTS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new ScratchpadError('BAD_FLAG', `There is no part "${unknown}" to install.`, {
      hint: `The parts are: ${PARTS.join(', ')}.`,
    });
  }
  return names as Part[];
}

/**
 * Installs and starts what is missing.
 * @throws INSTALL_FAILED (no Debian, no rights, apt's or a daemon's last words), INTERRUPTED
 */
export async function install(
  { what }: InstallRequest,
  progress: Progress,
  signal: AbortSignal,
  host: HostAccess = thisHost,
): Promise<InstallResult> {
  const installed: string[] = [];
  // a second look: on newer releases docker.io brings the engine alone, docker-cli the command
  for (let round = 0; round < 2; round++) {
    throwIfAborted(signal);
    const missing = await stillMissing(requirementsOf(what), host);
    if (missing.length === 0) break;
    const packages = missing
      .map((each) => each.packages[Math.min(round, each.packages.length - 1)]!)
      .filter((name, at, all) => all.indexOf(name) === at);
    await aptInstall(packages, progress, signal, host);
    installed.push(...packages);
  }
  const left = await stillMissing(requirementsOf(what), host);
  if (left.length > 0) {
    const names = left.map(({ name }) => name).join(', ');
    throw new ScratchpadError(
      'INSTALL_FAILED',
      `apt-get succeeded, but there is still no ${names}.`,
      {
        hint: 'Install it by hand; `scratchpad doctor` tells what is missing.',
      },
    );
  }
  const started: string[] = [];
  const call = elevated(host, progress, signal);
  if (what.includes('docker')) started.push(...(await startDocker(call)));
  if (what.includes('vagrant')) started.push(...(await startLibvirt(call)));
  return { installed, started };
}

async function aptInstall(
  packages: string[],
  progress: Progress,
  signal: AbortSignal,
  host: HostAccess,
): Promise<void> {
  if (host.which('apt-get') === null) {
    throw new ScratchpadError(
      'INSTALL_FAILED',
      'This is no Debian or Ubuntu: there is no apt-get.',
      {
        hint: `Install by hand what provides: ${packages.join(', ')}.`,
        details: { packages },
      },
    );
  }
  const { call } = elevated(host, progress, signal);
  const options = ['-q', '-y', '-o', `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`];
  progress.step('apt-get update');
  // a third party's source that is down must not stand in the way: what is missing, install tells
  await call('apt-get', ['update', ...options], 'apt-get update').catch((error: unknown) => {
    throwIfAborted(signal);
    progress.warn(error instanceof Error ? error.message : String(error));
  });
  progress.step(`installing ${packages.join(', ')}`);
  const args = ['install', ...options, '--no-install-recommends', ...packages];
  await call('apt-get', args, `apt-get install ${packages.join(' ')}`);
}

/** Commands as root: directly, or through a sudo that needs no password now. */
export interface Elevated {
  host: HostAccess;
  progress: Progress;
  signal: AbortSignal;
  /** Its standard output. @throws INSTALL_FAILED with the last lines */
  call(file: string, args: string[], what: string, timeoutMs?: number): Promise<string>;
}

function elevated(host: HostAccess, progress: Progress, signal: AbortSignal): Elevated {
  const isRoot = process.geteuid?.() === 0;
  return {
    host,
    progress,
    signal,
    async call(file, args, what, timeoutMs = APT_TIMEOUT_MS) {
      const options: RunOptions = {
        signal,
        timeoutMs,
        env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
      };
      // sudo drops the environment: it is said again behind it
      const command = isRoot
        ? [file, ...args]
        : ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C.UTF-8', file, ...args];
      const result = await host.run(command[0]!, command.slice(1), options);
      if (result.code === 0) return result.stdout;
      throw failed(what, isRoot, result.missing, lastLines(result.stderr || result.stdout, 5));
    },
  };
}

function failed(what: string, isRoot: boolean, missing: boolean, said: string): ScratchpadError {
  const needsPassword =
    !isRoot && (missing || /password is required|a terminal is required/.test(said));
  if (needsPassword) {
    return new ScratchpadError('INSTALL_FAILED', `${what} needs root.`, {
      cause: said,
      hint: 'Run `sudo -v` first, or run `scratchpad doctor --install` as root.',
    });
  }
  return new ScratchpadError('INSTALL_FAILED', `${what} failed.`, {
    cause: said,
    hint: 'Mend what it says and run `scratchpad doctor --install` again: it goes on from there.',
  });
}
