/** The engine, asked by the tests themselves. */
import { execFileSync, spawnSync } from 'node:child_process';
import type { Deployment } from '../../cli/targets/target.ts';

export function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8' }).trim();
}

export function nameOf({ state }: Deployment): string {
  return `scratchpad-${state.id}`;
}

/** Bash inside: the image has no other program that prints. */
export function inside(deployment: Deployment, script: string) {
  const args = ['exec', nameOf(deployment), '/bin/bash', '-c', script];
  return spawnSync('docker', args, { encoding: 'utf8' });
}
