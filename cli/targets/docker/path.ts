/**
 * How packets reach the container. By default the engine listens on the published port with a
 * process, docker-proxy, that copies every byte; with its userland proxy off it is the kernel's
 * address translation alone. Which one it is costs throughput, so it is looked up, not assumed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { ScratchpadError } from '../../errors.ts';
import type { PathKind } from '../target.ts';

export const DOCKER_PATHS = ['docker-proxy', 'iptables', 'host-network'] as const;

/** @throws BAD_FLAG for a path that a container cannot have */
export function plannedPath(asked: PathKind | null, proxy = userlandProxy()): PathKind {
  const byEngine = proxy ? 'docker-proxy' : 'iptables';
  if (asked === null || asked === byEngine || asked === 'host-network') return asked ?? byEngine;
  const isEngines = (DOCKER_PATHS as readonly string[]).includes(asked);
  throw new ScratchpadError('BAD_FLAG', `This engine has no path "${asked}".`, {
    hint: isEngines
      ? `It publishes ports by ${byEngine}; "userland-proxy" in its daemon.json changes that. Or use \`--path host-network\`.`
      : `Use one of: ${DOCKER_PATHS.join(', ')}.`,
  });
}

/**
 * The paths that `plannedPath` accepts, the default first. `sharesNetwork`: this host's network is
 * the engine's own; where the engine runs in a VM or rootless, "host" is another network.
 */
export function offeredPaths(sharesNetwork: boolean, proxy = userlandProxy()): PathKind[] {
  const byEngine = proxy ? 'docker-proxy' : 'iptables';
  return sharesNetwork ? [byEngine, 'host-network'] : [byEngine];
}

/** What is really there once the container runs; null where it cannot be seen. */
export function observedPath(port: number): 'docker-proxy' | null {
  return processes().some((words) => isProxyOf(words, port)) ? 'docker-proxy' : null;
}

export function isProxyOf(words: readonly string[], port: number): boolean {
  if (!words[0]?.endsWith('docker-proxy')) return false;
  return words[words.indexOf('-host-port') + 1] === String(port);
}

/** The engine's setting, where it can be read; its default (on) elsewhere. */
function userlandProxy(): boolean {
  const daemon = processes().find((words) => words[0]?.endsWith('dockerd'));
  const flag = daemon?.find((word) => word.startsWith('--userland-proxy'));
  if (flag !== undefined) return !flag.endsWith('=false');
  try {
    const settings = JSON.parse(readFileSync('/etc/docker/daemon.json', 'utf8')) as object;
    return !('userland-proxy' in settings && settings['userland-proxy'] === false);
  } catch {
    return true;
  }
}

/** Command lines of this host's processes, in words; none where there is no /proc. */
function processes(): string[][] {
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return pids.flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')];
    } catch {
      return [];
    }
  });
}
