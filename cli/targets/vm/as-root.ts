import { findProgram } from './host.ts';

/** As root, or for others as root of a user namespace, so that owners in the image come out right. */
export function asRoot(command: string[]): [program: string, args: string[]] {
  if (process.getuid?.() === 0) return [command[0]!, command.slice(1)];
  if (findProgram('mmdebstrap') !== null) return ['mmdebstrap', ['--unshare-helper', ...command]];
  return ['unshare', ['--user', '--map-auto', '--map-root-user', ...command]];
}
