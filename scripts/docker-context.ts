/**
 * Writes the build context of the image to a folder, for `docker buildx build`, CI and compose: what
 * `scratchpad deploy docker` streams to the engine (cli/targets/docker/image.ts), from the same
 * functions, and the base that it builds where no registry is asked, from signed Debian packages.
 *
 *     npx tsx scripts/docker-context.ts [FOLDER]              default: dist/docker
 *     npx tsx scripts/docker-context.ts --alpine [FOLDER]     default: dist/docker-alpine
 *
 * Needs a build (`npm ci` makes one) and mmdebstrap; without root also unprivileged user namespaces.
 * The Alpine context has the same workload with the native libSQL for musl, and no Node: its base
 * (infra/docker/Dockerfile.alpine) brings one that is built for musl.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkedArtifact } from '../cli/targets/artifact-check.ts';
import { debootstrapArguments, packageRecipe } from '../cli/targets/docker/base.ts';
import { contextEntries, readRecipe } from '../cli/targets/docker/image.ts';
import { type TarEntry, tarStream } from '../cli/targets/docker/tar.ts';
import { runtimeBinary } from '../cli/targets/runtime.ts';
import { buildWorkload } from './build-workload.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own
const FROM_IMAGE = '\nFROM ${BASE_IMAGE} AS assembled\n';
const FROM_ARCHIVE = '\nFROM scratch AS base\nADD base.tar /\n\nFROM base AS assembled\n';

/** The Dockerfile of the repository, its base taken from `base.tar` beside it. */
export function withBaseArchive(dockerfile: string): string {
  const parts = dockerfile.split(FROM_IMAGE);
  if (parts.length !== 2) throw new Error(`infra/docker/Dockerfile has no line${FROM_IMAGE}`);
  return parts.join(FROM_ARCHIVE);
}

export async function writeContext(folder: string): Promise<void> {
  const [artifact, runtime] = await Promise.all([checkedArtifact(), runtimeBinary('node')]);
  if (!runtime.pinned) throw new Error('the pinned Node is not installed: run npm ci');
  const recipe = readRecipe();
  const base = { kind: 'distribution', reference: 'base.tar', id: '', cached: false } as const;
  const changed = { ...recipe, Dockerfile: withBaseArchive(recipe.Dockerfile) };
  await extract(contextEntries({ artifact, runtime, base }, changed), folder);
  await buildBase(join(folder, 'base.tar'));
}

export async function writeAlpineContext(folder: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'scratchpad-musl-'));
  try {
    const outFolder = join(work, 'workload');
    await buildWorkload({ outFolder, nativeTargets: [`linux-${process.arch}-musl`] });
    const { files } = await checkedArtifact(outFolder);
    const dockerfile = readFileSync(join(root, 'infra/docker/Dockerfile.alpine'), 'utf8');
    const paths = ['artifact.json', ...Object.keys(files)].sort();
    const entries: TarEntry[] = [
      { path: 'Dockerfile', mode: 0o644, text: dockerfile },
      { path: 'data', mode: 0o755, folder: true },
      ...paths.map((path) => ({ path: `app/${path}`, mode: 0o644, file: join(outFolder, path) })),
    ];
    await extract(entries, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Replaces `folder`. By tar, so that modes and times are those of what an engine is sent. */
async function extract(entries: TarEntry[], folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const tar = spawn('tar', ['--extract', '--preserve-permissions', '--directory', folder], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const [[code]] = await Promise.all([
    once(tar, 'close') as Promise<[number]>,
    pipeline(tarStream(entries), tar.stdin),
  ]);
  if (code !== 0) throw new Error(`tar ended with ${code}`);
}

/** The packages of Debian's own archive, whatever this host is, so that every builder makes one base. */
async function buildBase(archive: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'scratchpad-base-'));
  try {
    const child = spawn('mmdebstrap', debootstrapArguments(packageRecipe(null), archive), {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, TMPDIR: work, SOURCE_DATE_EPOCH: '0', LC_ALL: 'C' },
    });
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`mmdebstrap ended with ${code}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const { values, positionals } = parseArgs({
    options: { alpine: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const folder = resolve(
    positionals[0] ?? join(root, values.alpine ? 'dist/docker-alpine' : 'dist/docker'),
  );
  await (values.alpine ? writeAlpineContext(folder) : writeContext(folder));
  console.log(`written: ${relative(process.cwd(), folder)}`);
}
