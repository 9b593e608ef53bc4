/** Phases of start-up, from what the engine says happened (nanoseconds) and from the app's log. */
import { z } from 'zod';
import { listeningAtMs } from '../app-log.ts';
import type { Phase } from '../target.ts';

const eventSchema = z.looseObject({ Action: z.string(), timeNano: z.number() });

/** Milliseconds since 1970 by action, the first of each since `sinceWallMs`. Pure. */
export function engineEvents(lines: string, sinceWallMs: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of lines.split('\n')) {
    if (!line.startsWith('{')) continue;
    const parsed = eventSchema.safeParse(JSON.parse(line));
    if (!parsed.success) continue;
    const atMs = parsed.data.timeNano / 1e6;
    if (atMs >= sinceWallMs && !found.has(parsed.data.Action)) found.set(parsed.data.Action, atMs);
  }
  return found;
}

/**
 * The call to the engine's `create`, then to its `start` (network, mounts, runtime), then to the
 * app's own "listening". What is not known is left out. Pure.
 */
export function startUpPhases(t0WallMs: number, events: string, log: string): Phase[] {
  const at = engineEvents(events, t0WallMs);
  const marks: Array<[name: string, atMs: number | null, source: string]> = [
    ['call to created', at.get('create') ?? null, 'engine event'],
    ['created to started', at.get('start') ?? null, 'engine event'],
    ['started to listening', listeningAtMs(log, t0WallMs), 'app log'],
  ];
  const phases: Phase[] = [];
  let startMs = 0;
  for (const [name, atMs, source] of marks) {
    if (atMs === null) continue;
    const endMs = Math.max(startMs, atMs - t0WallMs);
    phases.push({ name, startMs, endMs, source });
    startMs = endMs;
  }
  return phases;
}

/** For `--since`: seconds with a fraction, which the CLI takes in nanoseconds. */
export function sinceArgument(wallMs: number): string {
  return (wallMs / 1000).toFixed(9);
}
