/** Proof from inside: the files that run there are the ones that were deployed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ScratchpadError } from '../errors.ts';
import { cacheFolder } from '../host/paths.ts';
import type { Deployment } from './target.ts';

const replySchema = z.object({
  artifactSha256: z.string(),
  runtimeSha256: z.string(),
  runtime: z.string(),
  runtimeVersion: z.string(),
  /** How durable its commits are; null where a database server decides, missing in older artifacts. */
  synchronous: z.enum(['normal', 'full']).nullable().optional(),
});

/** What the workload says of itself, read inside the target. */
export interface Verification extends z.infer<typeof replySchema> {
  /** How: hashed inside just now, or earlier from the very same read-only disks. */
  verifiedBy: string;
}

const identitySchema = replySchema.omit({ artifactSha256: true, runtimeSha256: true });

/** Of one content that was hashed inside; kept as `<cache>/verified/<content>.json`. */
const proofSchema = z.object({
  artifactSha256: z.string(),
  runtimeSha256: z.string(),
  verifiedAt: z.string(),
});

/** Hashing 130 MB takes a second at most, but a minute in an emulated guest. */
const TIMEOUT_MS = 120_000;

/**
 * Asks the workload to hash its own files and its own executable, and compares. Where `prepare`
 * names the content of all that is mounted read-only (`contentSha256`, hashed on the host by that
 * very prepare), a content that has been hashed inside once is not hashed again, which takes an
 * emulated guest longer than its boot; `fresh` asks for it all the same.
 * @throws TARGET_UNREACHABLE where it does not answer so, ARTIFACT_MISMATCH where it runs others
 */
export async function verifyInside(
  { url, state: { prepared } }: Pick<Deployment, 'url' | 'state'>,
  signal?: AbortSignal,
  { fresh = false } = {},
): Promise<Verification> {
  if (prepared === null) throw new Error('verifyInside: this deployment was never prepared');
  const content = prepared.contentSha256;
  const proof = fresh || content === undefined ? null : readProof(content);
  if (
    proof?.artifactSha256 === prepared.artifactSha256 &&
    proof.runtimeSha256 === prepared.runtimeSha256
  ) {
    const identity = await askInside(url, '/readyz', signal);
    const { verifiedAt, ...hashes } = proof;
    const verifiedBy = `hashed inside on ${verifiedAt}, from the same read-only disks`;
    return { ...identity, ...hashes, verifiedBy };
  }
  const found = await askInside(url, '/readyz?verify=1', signal);
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
  if (content !== undefined) writeProof(content, found);
  return { ...found, verifiedBy: 'hashed inside' };
}

function proofFile(contentSha256: string): string {
  return join(cacheFolder(), 'verified', `${contentSha256}.json`);
}

function readProof(contentSha256: string): z.infer<typeof proofSchema> | null {
  try {
    return proofSchema.parse(JSON.parse(readFileSync(proofFile(contentSha256), 'utf8')));
  } catch {
    return null; // none, or not whole: it is hashed inside
  }
}

function writeProof(
  contentSha256: string,
  { artifactSha256, runtimeSha256 }: z.infer<typeof replySchema>,
): void {
  const file = proofFile(contentSha256);
  const proof = { artifactSha256, runtimeSha256, verifiedAt: new Date().toISOString() };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(proof)}\n`);
}

async function askInside(
  url: string,
  path: '/readyz',
  signal?: AbortSignal,
): Promise<z.infer<typeof identitySchema>>;
async function askInside(
  url: string,
  path: '/readyz?verify=1',
  signal?: AbortSignal,
): Promise<z.infer<typeof replySchema>>;
async function askInside(url: string, path: string, signal?: AbortSignal): Promise<unknown> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(new URL(path, url), {
      headers: { connection: 'close' },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const schema = path === '/readyz' ? identitySchema : replySchema;
    return schema.parse(await response.json());
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new ScratchpadError('TARGET_UNREACHABLE', `${url} does not say what it runs.`, {
      cause,
      hint: 'Look at its log: `scratchpad status` tells whether it lives.',
    });
  }
}
