/**
 * Builds the container image of the CLI (infra/docker/cli/Dockerfile) with the local engine: packs
 * the package, installs it as a user would, and streams that with the pinned Node. Where no registry
 * can be reached its base is built from the distribution's packages, as the workload's is.
 *
 *     npm run image:cli [-- --tag NAME] [--tarball scratchpad-….tgz]
 */
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatError } from '../cli/error-text.ts';
import { isScratchpadError } from '../cli/errors.ts';
import { createProgress } from '../cli/progress.ts';
import { runCommand } from '../cli/targets/command.ts';
import { baseImage } from '../cli/targets/docker/base.ts';
import { Engine } from '../cli/targets/docker/engine.ts';
import { type TarEntry, tarStream } from '../cli/targets/docker/tar.ts';
import { runtimeBinary } from '../cli/targets/runtime.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** Prints the image's name. @throws what baseImage throws; Error where a step fails */
async function buildCliImage(tag: string, tarball: string | undefined): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'scratchpad-cli-image-'));
  const progress = createProgress();
  const npm = (...args: string[]) =>
    execFileSync('npm', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  try {
    progress.step('packing and installing the package');
    const packed =
      tarball ??
      join(work, npm('pack', '--silent', '--pack-destination', work).trim().split('\n').at(-1)!);
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--prefer-offline'];
    npm('install', '--silent', ...quiet, '--prefix', join(work, 'app'), resolve(packed));
    const engine = new Engine(runCommand);
    const node = await runtimeBinary('node');
    const workFolder = join(work, 'base');
    const base = await baseImage({ engine, run: runCommand, progress, options: {}, workFolder });
    progress.step(`building image ${tag}`);
    const args = ['build', '--tag', tag, '--build-arg', `BASE_IMAGE=${base.reference}`];
    const result = await engine.try([...args, '--force-rm', '-'], {
      input: tarStream(contextOf(join(work, 'app'), node.path)),
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    if (result.code !== 0)
      throw new Error(`docker build failed:\n${result.stdout}${result.stderr}`);
    progress.done();
    console.log(tag);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Without the Node package's headers; in a fixed order, folders before what is in them. */
function contextOf(installed: string, nodePath: string): TarEntry[] {
  const dockerfile = readFileSync(join(root, 'infra/docker/cli/Dockerfile'), 'utf8');
  const paths = globSync('node_modules/**/*', { cwd: installed })
    .filter((path) => !/(^|\/)(\.bin|\.package-lock\.json)(\/|$)|^node_modules\/node-/.test(path))
    .sort();
  const entries = paths.map((path): TarEntry => {
    const file = join(installed, path);
    return statSync(file).isDirectory()
      ? { path, mode: 0o755, folder: true }
      : { path, mode: 0o644, file };
  });
  return [
    { path: 'Dockerfile', mode: 0o644, text: dockerfile },
    { path: 'bin', mode: 0o755, folder: true },
    { path: 'bin/node', mode: 0o755, file: nodePath },
    // writable for every uid, like /tmp: --user gives the caller's
    { path: 'work', mode: 0o1777, folder: true },
    ...entries,
  ];
}

const { values } = parseArgs({
  options: {
    tag: { type: 'string', default: 'scratchpad-cli' },
    tarball: { type: 'string' },
  },
});
try {
  await buildCliImage(values.tag, values.tarball);
} catch (error) {
  process.stderr.write(
    `${isScratchpadError(error) ? formatError(error) : (error as Error).message}\n`,
  );
  process.exitCode = isScratchpadError(error) ? error.exitCode : 1;
}
