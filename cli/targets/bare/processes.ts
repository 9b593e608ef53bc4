/** Every process of a bare deployment, whoever started it and whatever its state file knows. */

import type { ProcessIdentity } from '../process-identity.ts';
import { DEPLOYMENT_MARKER, findMarked, identify, isAlive } from '../process-identity.ts';
import { cgroupPids } from './cgroup.ts';
import { cgroupName } from './names.ts';

/**
 * By environment marker and by cgroup; on hosts without /proc by the recorded pid alone. A pid that
 * has been given to another process since is not among them.
 */
export function processesOf(id: string, recorded: ProcessIdentity | null): ProcessIdentity[] {
  const found = new Map<number, ProcessIdentity>();
  for (const identity of findMarked(DEPLOYMENT_MARKER, id)) found.set(identity.pid, identity);
  for (const pid of cgroupPids(cgroupName(id))) found.set(pid, identify(pid));
  if (recorded !== null && process.platform !== 'linux' && isAlive(recorded)) {
    found.set(recorded.pid, recorded);
  }
  return [...found.values()].filter(isAlive);
}
