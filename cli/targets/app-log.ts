/** What the workload says of itself on its log: one JSON line per event (workload/serve/). */
import { z } from 'zod';

const listeningSchema = z.looseObject({ event: z.literal('listening'), atMs: z.number() });

/**
 * When the workload last said that it listens, in ms since 1970; null where it has not since
 * `sinceWallMs` (a restarted one has an older line above).
 */
export function listeningAtMs(log: string, sinceWallMs: number): number | null {
  for (const line of log.split('\n').reverse()) {
    if (!line.includes('"listening"')) continue;
    try {
      const parsed = listeningSchema.safeParse(JSON.parse(line.slice(line.indexOf('{'))));
      // 1 ms: its clock's step
      if (parsed.success && parsed.data.atMs >= sinceWallMs - 1) return parsed.data.atMs;
    } catch {
      // a line cut off, or of something else
    }
  }
  return null;
}
