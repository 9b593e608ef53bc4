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

function getReadiness(url: string, options: { throwHttpErrors?: boolean } = {}) {
  const headers = { connection: 'close' };
  return ky.get(new URL('/readyz', url), { timeout: 5000, retry: 0, headers, ...options });
}

export type WorkloadStatus = z.infer<typeof statusSchema>;

/** The workload's own status; null where the server is not ours or does not answer. */
export async function readWorkloadStatus(url: string): Promise<WorkloadStatus | null> {
  try {
    const body = await getReadiness(url).json();
    const parsed = statusSchema.safeParse(body);
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

const ailmentSchema = z.looseObject({
  status: z.string().optional(),
  /** Its own word for what is wrong, e.g. DISK_FULL. */
  code: z.string().optional(),
  detail: z.string().optional(),
});

/**
 * What the workload says is wrong with it, e.g. `/readyz answers 507: not-writable, DISK_FULL`; null
 * where it is ready or does not answer.
 */
export async function readAilment(url: string): Promise<string | null> {
  try {
    const response = await getReadiness(url, { throwHttpErrors: false });
    if (response.ok) return null;
    const parsed = ailmentSchema.safeParse(await response.json().catch(() => null));
    const { status, code, detail } = parsed.success ? parsed.data : {};
    const words = [status, code, detail].filter((word) => word !== undefined && word !== '');
    return `/readyz answers ${response.status}${words.length > 0 ? `: ${words.join(', ')}` : ''}`;
  } catch {
    return null;
  }
}
