/** Names of what a bare deployment makes; all follow from its id. */
import { join } from 'node:path';
import { deploymentFolder, ownerTag } from '../state.ts';

export function cgroupName(id: string): string {
  return `${ownerTag()}-${id}`;
}

export function logFile(id: string): string {
  return join(deploymentFolder(id), 'workload.log');
}

export function dataFolder(id: string): string {
  return join(deploymentFolder(id), 'data');
}
