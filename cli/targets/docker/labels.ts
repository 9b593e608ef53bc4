/** Names and labels of all that a Docker deployment makes; they follow from its id. */
import { ownerTag } from '../state.ts';

export const LABEL_DEPLOYMENT = 'dev.scratchpad.deployment';
export const LABEL_OWNER = 'dev.scratchpad.owner';

export function containerName(id: string): string {
  return `scratchpad-${id}`;
}

export function volumeName(id: string): string {
  return `scratchpad-${id}-data`;
}

export function deploymentLabels(id: string): Record<string, string> {
  return { [LABEL_DEPLOYMENT]: id, [LABEL_OWNER]: ownerTag() };
}

export function labelArguments(labels: Record<string, string>): string[] {
  return Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
}
