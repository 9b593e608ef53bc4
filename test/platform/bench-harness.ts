/** What the tests of `bench` share. */
import assert from 'node:assert/strict';
import type { Sandbox } from '../cli/run-cli.ts';

/** Short, and at a rate that a busy host can carry. */
export const SHORT = [
  '--quick',
  '--targets=bare',
  '--duration=500ms',
  '--warmup=200ms',
  '--rate=50',
  '--json',
];

export async function nothingDeployed({ run }: Sandbox): Promise<void> {
  assert.deepEqual((await run(['status', '--json'])).json(), { deployments: [], unreadable: [] });
}
