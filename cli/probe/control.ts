/**
 * Control requests: few, not timed, through ky. What the workload says about itself in `/readyz`.
 */
import ky from 'ky';
import { z } from 'zod';

const statusSchema = z.looseObject({
  nonce: z.string().nullable().optional(),
  /** Requests handled since start, health requests excluded. */
  handled: z.number().int().nonnegative(),
});

export type WorkloadStatus = z.infer<typeof statusSchema>;

/** The workload's own status; null where the server is not ours or does not answer. */
export async function readWorkloadStatus(url: string): Promise<WorkloadStatus | null> {
  try {
    const body = await ky
      .get(new URL('/readyz', url), {
        timeout: 5000,
        retry: 0,
        headers: { connection: 'close' },
      })
      .json();
    const parsed = statusSchema.safeParse(body);
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
