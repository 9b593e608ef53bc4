/**
 * The base image. The public one where it is here or can be pulled; where no registry can be
 * reached, one made from the distribution's own packages (about 10 s, 24 MB), kept as
 * `scratchpad-base:<hash of the recipe>`. SCRATCHPAD_BASE_IMAGE names another.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import { hostAptSources } from '../apt-sources.ts';
import { type CommandResult, lastLines, type Run, type RunOptions } from '../command.ts';
import type { Progress } from '../target.ts';
import type { Engine } from './engine.ts';
import { imageId } from './image.ts';

export const PUBLIC_BASE = 'debian:bookworm-slim';

export interface BaseImage {
  kind: 'public' | 'distribution' | 'custom';
  reference: string;
  /** sha256 of the image's configuration: its content. */
  id: string;
  /** Was it here already? */
  cached: boolean;
}

/**
 * No registry answers within this: it is not to be had, or too slow to wait for at each deploy.
 * The first line comes with the manifest, before any layer.
 */
const MANIFEST_TIMEOUT_MS = 15_000;
const PULL_TIMEOUT_MS = 3 * 60_000;
const BUILD_TIMEOUT_MS = 5 * 60_000;

/**
 * What the workload needs of a distribution: the C and C++ libraries, and bash for the health
 * check. Extracted, not installed: no maintainer script runs, so no Perl, no dpkg, no coreutils.
 */
const PACKAGES = ['base-files', 'bash', 'libc6', 'libgcc-s1', 'libstdc++6'];

/**
 * The only hook that this variant runs after apt. A mirror's address has no place in an image, and
 * extracting registers no package: without the list of them a scanner would find nothing to check.
 */
const HOOK = [
  'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
  'for deb in "$1"/var/cache/apt/archives/*.deb; do [ -e "$deb" ] || continue',
  'dpkg-deb --field "$deb" || exit 1; echo "Status: install ok installed"; echo',
  'done > "$1"/var/lib/dpkg/status',
].join('; ');

export interface BaseRequest {
  engine: Engine;
  run: Run;
  progress: Progress;
  options: Pick<RunOptions, 'signal' | 'env'>;
  /** A folder of the deployment's own for the archive in between. */
  workFolder: string;
}

/** @throws BASE_IMAGE_UNAVAILABLE where none can be had */
export async function baseImage(request: BaseRequest): Promise<BaseImage> {
  const { engine, options } = request;
  const custom = process.env['SCRATCHPAD_BASE_IMAGE'];
  if (custom) return customBase(request, custom);
  const here = await imageId(engine, PUBLIC_BASE, options);
  if (here !== null) return { kind: 'public', reference: PUBLIC_BASE, id: here, cached: true };
  const recipe = packageRecipe();
  const made = await imageId(engine, recipe.reference, options);
  if (made !== null) {
    return { kind: 'distribution', reference: recipe.reference, id: made, cached: true };
  }
  const pulled = await pull(request, PUBLIC_BASE);
  if ('id' in pulled)
    return { kind: 'public', reference: PUBLIC_BASE, id: pulled.id, cached: false };
  request.progress.warn(
    `the base image ${PUBLIC_BASE} cannot be pulled (${pulled.reason}): ` +
      `building a base from the packages of ${recipe.codename} instead`,
  );
  return buildBase(request, recipe);
}

async function customBase(request: BaseRequest, reference: string): Promise<BaseImage> {
  const here = await imageId(request.engine, reference, request.options);
  if (here !== null) return { kind: 'custom', reference, id: here, cached: true };
  const pulled = await pull(request, reference);
  if ('id' in pulled) return { kind: 'custom', reference, id: pulled.id, cached: false };
  throw new ScratchpadError(
    'BASE_IMAGE_UNAVAILABLE',
    `The base image ${reference} cannot be had.`,
    {
      cause: pulled.reason,
      hint: 'SCRATCHPAD_BASE_IMAGE names it: correct it, or unset it for the default.',
    },
  );
}

async function pull(
  { engine, progress, options }: BaseRequest,
  reference: string,
): Promise<{ id: string } | { reason: string }> {
  progress.step(`pulling base image ${reference}`);
  const result = await engine.try(['pull', reference], {
    ...options,
    firstLineTimeoutMs: MANIFEST_TIMEOUT_MS,
    timeoutMs: PULL_TIMEOUT_MS,
  });
  const id = result.code === 0 ? await imageId(engine, reference, options) : null;
  return id === null ? { reason: pullFailure(result) } : { id };
}

/** In few words: the CLI's last line names hosts and addresses, three times over. */
function pullFailure(result: CommandResult): string {
  if (result.timedOut) return 'the registry does not answer in time';
  const said = lastLines(result.stderr, 1);
  if (/lookup|no such host|dial tcp|timeout|refused|unreachable|EOF/i.test(said)) {
    return 'no registry can be reached';
  }
  return said.slice(0, 200) || `docker pull exited with ${result.code}`;
}

export interface PackageRecipe {
  codename: string;
  /** Lines for apt; empty: mmdebstrap's own default for this release. */
  sources: string[];
  reference: string;
}

/** Which packages of which release; the tag is a hash of that. */
export function packageRecipe(host = hostAptSources(), architecture = process.arch): PackageRecipe {
  const codename = host?.codename ?? 'bookworm';
  const hash = createHash('sha256')
    .update(JSON.stringify(['extract', HOOK, codename, architecture, PACKAGES]))
    .digest('hex')
    .slice(0, 12);
  return { codename, sources: host?.lines ?? [], reference: `scratchpad-base:${hash}` };
}

async function buildBase(request: BaseRequest, recipe: PackageRecipe): Promise<BaseImage> {
  const { engine, run, progress, options, workFolder } = request;
  mkdirSync(workFolder, { recursive: true, mode: 0o700 });
  const archive = join(workFolder, 'base.tar');
  progress.step(`building the base image from the packages of ${recipe.codename}`);
  try {
    const made = await run('mmdebstrap', debootstrapArguments(recipe, archive), {
      signal: options.signal,
      // its own temporary folder lies in ours, so that `down --all` removes it after a SIGKILL
      env: { ...options.env, TMPDIR: workFolder, SOURCE_DATE_EPOCH: '0', LC_ALL: 'C' },
      input: recipe.sources.map((line) => `${line}\n`).join(''),
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    if (made.missing || made.code !== 0) throw baseUnavailable(made);
    const labels = ['--change', 'LABEL dev.scratchpad.base=distribution'];
    const id = await engine.call(['import', ...labels, archive, recipe.reference], options);
    return { kind: 'distribution', reference: recipe.reference, id, cached: false };
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

/** Exported for tests. */
export function debootstrapArguments(recipe: PackageRecipe, archive: string): string[] {
  return [
    '--variant=extract',
    `--include=${PACKAGES.join(',')}`,
    '--format=tar',
    // what no program reads
    '--dpkgopt=path-exclude=/usr/share/doc/*',
    '--dpkgopt=path-exclude=/usr/share/man/*',
    '--dpkgopt=path-exclude=/usr/share/locale/*',
    `--extract-hook=${HOOK}`,
    recipe.codename,
    archive,
    ...(recipe.sources.length > 0 ? ['-'] : []),
  ];
}

function baseUnavailable(result: CommandResult): ScratchpadError {
  const message = 'No base image: no registry can be reached, and none could be built.';
  if (result.missing) {
    return new ScratchpadError('BASE_IMAGE_UNAVAILABLE', message, {
      cause: 'mmdebstrap is not installed',
      hint: 'Run `scratchpad doctor --install`, or name a local image in SCRATCHPAD_BASE_IMAGE.',
    });
  }
  return new ScratchpadError('BASE_IMAGE_UNAVAILABLE', message, {
    cause: result.timedOut ? 'mmdebstrap did not end in time' : lastLines(result.stderr, 3),
    hint: 'Check that `apt-get update` works here, or name a local image in SCRATCHPAD_BASE_IMAGE.',
    details: { log: lastLines(result.stderr, 30) },
  });
}
