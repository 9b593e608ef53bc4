/** Proof from inside: the files that run there are the ones that were deployed. */
import { z } from 'zod';
import { ScratchpadError } from '../errors.ts';
import type { Deployment } from './target.ts';

const replySchema = z.object({
  artifactSha256: z.string(),
  runtimeSha256: z.string(),
  runtime: z.string(),
  runtimeVersion: z.string(),
});

/** What the workload says of itself, read inside the target. */
export type Verification = z.infer<typeof replySchema>;

/** Hashing 130 MB takes a second at most, but a minute in an emulated guest. */
const TIMEOUT_MS = 120_000;

/**
 * Asks the workload to hash its own files and its own executable, and compares.
 * @throws TARGET_UNREACHABLE where it does not answer so, ARTIFACT_MISMATCH where it runs others
 */
export async function verifyInside(
  { url, state: { prepared } }: Pick<Deployment, 'url' | 'state'>,
  signal?: AbortSignal,
): Promise<Verification> {
  if (prepared === null) throw new Error('verifyInside: this deployment was never prepared');
  const found = await askInside(url, signal);
  for (const name of ['artifactSha256', 'runtimeSha256'] as const) {
    if (found[name] === prepared[name]) continue;
    throw new ScratchpadError(
      'ARTIFACT_MISMATCH',
      `${url} runs another ${name === 'artifactSha256' ? 'bundle' : 'runtime'} than was deployed.`,
      {
        hint: 'Run `scratchpad down --all`, then `npm run build`, and deploy again.',
        details: { expected: prepared[name], found: found[name] },
      },
    );
  }
  return found;
}

async function askInside(url: string, signal?: AbortSignal): Promise<Verification> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(new URL('/readyz?verify=1', url), {
      headers: { connection: 'close' },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    return replySchema.parse(await response.json());
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new ScratchpadError('TARGET_UNREACHABLE', `${url} does not say what it runs.`, {
      cause,
      hint: 'Look at its log: `scratchpad status` tells whether it lives.',
    });
  }
}
