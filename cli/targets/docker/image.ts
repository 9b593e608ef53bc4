/** The image: assembled from the one artifact, tagged by content, so a second build is a look-up. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { ScratchpadError } from '../../errors.ts';
import { infraFolder } from '../../host/paths.ts';
import type { Artifact } from '../artifact.ts';
import { lastLines, type RunOptions } from '../command.ts';
import { type RuntimeBinary, runtimeCommand } from '../runtime.ts';
import type { Progress } from '../target.ts';
import type { BaseImage } from './base.ts';
import type { Engine } from './engine.ts';
import { type TarEntry, tarStream } from './tar.ts';

export interface ImageRequest {
  base: BaseImage;
  artifact: Artifact;
  runtime: RuntimeBinary;
}

export interface BuiltImage {
  reference: string;
  id: string;
  cached: boolean;
}

/** A build copies about 160 MB; minutes mean that something hangs. */
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** The tag: a hash over all that goes into the image. Pure. */
export function imageReference({ base, artifact, runtime }: ImageRequest, recipe: Recipe): string {
  const hash = createHash('sha256');
  for (const part of [
    base.id,
    artifact.sha256,
    runtime.name,
    runtime.sha256,
    ...Object.values(recipe),
  ]) {
    hash.update(`${part.length}:${part}`);
  }
  return `scratchpad:${hash.digest('hex').slice(0, 12)}`;
}

/** @throws IMAGE_BUILD_FAILED with the build's last lines, INTERRUPTED */
export async function buildImage(
  engine: Engine,
  request: ImageRequest,
  progress: Progress,
  options: Pick<RunOptions, 'signal' | 'env'>,
): Promise<BuiltImage> {
  const recipe = readRecipe();
  const reference = imageReference(request, recipe);
  const found = await imageId(engine, reference, options);
  if (found !== null) return { reference, id: found, cached: true };
  progress.step(`building image ${reference}`);
  const args = [
    'build',
    '--tag',
    reference,
    '--target',
    request.runtime.name,
    '--build-arg',
    `COMMAND=${commandInside(request).join(' ')}`,
    '--build-arg',
    `BASE_IMAGE=${request.base.reference}`,
    '--label',
    `dev.scratchpad.artifact=${request.artifact.sha256}`,
    '--label',
    `dev.scratchpad.runtime=${request.runtime.sha256}`,
    // no half-built container stays where a step fails or Ctrl-C ends it
    '--force-rm',
    '-',
  ];
  const result = await engine.try(args, {
    ...options,
    input: contextStream(request, recipe),
    timeoutMs: BUILD_TIMEOUT_MS,
    onLine: (line) => {
      const step = /^(Step \d+\/\d+ : \w+|#\d+ \[[^\]]+\] \w+)/.exec(line)?.[1];
      if (step) progress.step(`building image: ${step}`);
    },
  });
  const id = result.code === 0 ? await imageId(engine, reference, options) : null;
  if (id === null) {
    const said = `${result.stdout}\n${result.stderr}`;
    throw new ScratchpadError(
      'IMAGE_BUILD_FAILED',
      `The image cannot be built on ${request.base.reference}.`,
      {
        cause: lastLines(result.stderr.trim() === '' ? result.stdout : result.stderr, 5),
        hint: result.timedOut
          ? `The build took longer than ${BUILD_TIMEOUT_MS / 60_000} minutes: look at the engine's log.`
          : 'The base needs glibc ≥ 2.28, libstdc++ and bash; the last lines of the build are in details.',
        details: { base: request.base.reference, log: lastLines(said, 30) },
      },
    );
  }
  return { reference, id, cached: false };
}

/** What the image runs, by the paths inside. The Dockerfile says the same in its last stages. */
export function commandInside({ artifact, runtime: { name } }: ImageRequest): string[] {
  const entry = `/opt/scratchpad/app/${artifact.entries[name]}`;
  return runtimeCommand(name, `/opt/scratchpad/bin/${name}`, entry);
}

/** The id of a local image, null where there is none. */
export async function imageId(
  engine: Engine,
  reference: string,
  options: RunOptions = {},
): Promise<string | null> {
  const args = ['image', 'inspect', '--format', '{{.Id}}', reference];
  const result = await engine.try(args, options);
  return result.code === 0 ? result.stdout.trim() : null;
}

/** Files of infra/docker/, by name. */
export type Recipe = Record<(typeof RECIPE_FILES)[number], string>;
const RECIPE_FILES = ['Dockerfile', 'check.sh', 'health.sh'] as const;

export function readRecipe(): Recipe {
  const files = RECIPE_FILES.map((name) => [
    name,
    readFileSync(join(infraFolder, 'docker', name), 'utf8'),
  ]);
  return Object.fromEntries(files) as Recipe;
}

/** The build context: nothing but what the image needs, in a fixed order. */
export function contextEntries({ artifact, runtime }: ImageRequest, recipe: Recipe): TarEntry[] {
  const files = ['artifact.json', ...Object.keys(artifact.files)].sort();
  const folders = new Set<string>(['bin', 'app', 'data']);
  for (const file of files) {
    for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) {
      folders.add(`app/${folder}`);
    }
  }
  return [
    ...Object.entries(recipe).map(([path, text]) => ({ path, mode: 0o644, text })),
    ...[...folders].sort().map((path) => ({ path, mode: 0o755, folder: true as const })),
    { path: `bin/${runtime.name}`, mode: 0o755, file: runtime.path },
    ...files.map((file) => ({
      path: `app/${file}`,
      mode: 0o644,
      file: join(artifact.folder, file),
    })),
  ];
}

function contextStream(request: ImageRequest, recipe: Recipe): Readable {
  return tarStream(contextEntries(request, recipe));
}
