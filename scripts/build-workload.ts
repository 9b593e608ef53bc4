/**
 * Builds dist/workload/, the one artifact that every target runs: `server.mjs` (and `deno.mjs`,
 * `bun.mjs`) with all of its JavaScript, the native libSQL package, the licences of what is inside, and artifact.json with the
 * SHA-256 of each file. Two builds of one tree are the same, byte for byte.
 *
 *   import { buildWorkload } from './build-workload.ts'   or   tsx scripts/build-workload.ts
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { licences } from './licences.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export interface BuildOptions {
  /** Where the artifact goes; replaced as a whole once the build has succeeded. */
  outFolder?: string;
  /** Native packages to ship, e.g. `linux-x64-musl` for Alpine. Default: this machine's own. */
  nativeTargets?: string[];
  /** Folder whose node_modules has those that are not installed here (guest-artifact.ts). */
  nativeFolder?: string;
}

export interface BuiltArtifact {
  folder: string;
  sha256: string;
  bytes: number;
  durationMs: number;
}

/** One bundle for each runtime that runs from the artifact. */
const ENTRIES = {
  server: 'workload/serve/node.ts',
  deno: 'workload/serve/deno.ts',
  bun: 'workload/serve/bun.ts',
};

const BUNDLE = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  minify: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} as const;

/** The app as one module for workerd: no files, no native package. */
export async function buildWorker(outFile: string): Promise<void> {
  await build({
    ...BUNDLE,
    entryPoints: ['workload/serve/worker.ts'],
    outfile: outFile,
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    target: 'es2023',
  });
}

export async function buildWorkload({
  outFolder = join(root, 'dist', 'workload'),
  nativeTargets = [hostTarget()],
  nativeFolder = root,
}: BuildOptions = {}): Promise<BuiltArtifact> {
  const start = performance.now();
  const staging = `${outFolder}.building-${process.pid}`;
  await rm(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  try {
    const inputs = new Set(nativeTargets.map((target) => nativeManifest(target, nativeFolder)));
    for (const [name, entry] of Object.entries(ENTRIES)) {
      // One build each: chunks shared between them would be one more file to load at each start.
      const result = await build({
        ...BUNDLE,
        entryPoints: { [name]: entry },
        outdir: staging,
        chunkNames: `${name}-[hash]`,
        outExtension: { '.js': '.mjs' },
        splitting: true,
        platform: 'node',
        target: 'node24',
        // CommonJS packages inside ask for `require`; the native package is found beside this file.
        banner: {
          js: "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url);",
        },
        plugins: [nativeTargetPlugin(nativeTargets), builtinPlugin()],
      });
      for (const input of Object.keys(result.metafile.inputs)) inputs.add(input);
    }
    for (const target of nativeTargets) copyNativePackage(target, nativeFolder, staging);
    const texts = licences(root, inputs, { notices: false });
    await writeFile(join(staging, 'THIRD_PARTY_LICENSES.txt'), texts);
    const { files, sha256, bytes } = hashFolder(staging);
    const entries = { node: 'server.mjs', deno: 'deno.mjs', bun: 'bun.mjs' };
    const manifest = { entry: entries.node, entries, sha256, nativeTargets, files };
    await writeFile(join(staging, 'artifact.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await rm(outFolder, { recursive: true, force: true });
    await rename(staging, outFolder);
    return { folder: outFolder, sha256, bytes, durationMs: performance.now() - start };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** The name of this machine's native libSQL package, without its scope. */
function hostTarget(): string {
  const { platform, arch } = process;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return `linux-${arch}-${header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`;
}

const nativeManifest = (target: string, folder: string): string => {
  try {
    const require = createRequire(join(folder, 'package.json'));
    return relative(root, require.resolve(`@libsql/${target}/package.json`));
  } catch (cause) {
    throw new Error(
      `the native package @libsql/${target} is not installed: npm install --no-save @libsql/${target}`,
      { cause },
    );
  }
};

function copyNativePackage(target: string, folder: string, into: string): void {
  const from = join(root, dirname(nativeManifest(target, folder)));
  const to = join(into, 'node_modules', '@libsql', target);
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from)) copyFileSync(join(from, file), join(to, file));
}

/**
 * libsql asks two packages which C library this is, and both have Node write a diagnostic report
 * for it, tens of milliseconds of every start. The artifact knows what it ships.
 */
function nativeTargetPlugin(targets: string[]): Plugin {
  const choose =
    targets.length === 1
      ? JSON.stringify(targets[0])
      : `(() => {
          const ours = ${JSON.stringify(targets)}
            .filter((name) => name.startsWith(process.platform + '-' + process.arch));
          if (ours.length < 2) return ours[0];
          process.report.excludeNetwork = true;
          const gnu = process.report.getReport().header.glibcVersionRuntime !== undefined;
          return ours.find((name) => name.endsWith(gnu ? '-gnu' : '-musl'));
        })()`;
  const modules: Record<string, string> = {
    '@neon-rs/load': `exports.currentTarget = () => ${choose};
      exports.load = () => { throw new Error('LIBSQL_JS_DEV is not supported here'); };`,
    'detect-libc':
      "exports.GLIBC = 'glibc'; exports.MUSL = 'musl'; exports.familySync = () => null;",
  };
  return {
    name: 'native-target',
    setup(build) {
      build.onResolve({ filter: /^(@neon-rs\/load|detect-libc)$/ }, ({ path }) => ({
        path,
        namespace: 'native-target',
      }));
      build.onLoad({ filter: /.*/, namespace: 'native-target' }, ({ path }) => ({
        contents: modules[path]!,
        loader: 'js',
      }));
    },
  };
}

/**
 * Takes Node's own modules from `process.getBuiltinModule`. An `import … from 'node:http'` reads all
 * of the module's exports, and one of them, WebSocket, loads all of undici: about 60 ms and 14 MB.
 */
function builtinPlugin(): Plugin {
  const names = new Set(builtinModules);
  return {
    name: 'builtin',
    setup(build) {
      build.onResolve({ filter: /^[a-z]/ }, ({ path }) => {
        const name = path.replace(/^node:/, '');
        return names.has(name) ? { path: `node:${name}`, namespace: 'builtin' } : undefined;
      });
      build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
        loader: 'js',
      }));
    },
  };
}

/** Hashes as cli/targets/artifact.ts reads them and workload/serve/identity.ts repeats them. */
function hashFolder(folder: string) {
  const files: Record<string, { sha256: string; bytes: number }> = {};
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const content = readFileSync(file);
    bytes += content.byteLength;
    files[relative(folder, file).split(sep).join('/')] = {
      sha256: createHash('sha256').update(content).digest('hex'),
      bytes: content.byteLength,
    };
  }
  const lines = Object.entries(files)
    .map(([path, file]) => `${file.sha256}  ${path}`)
    .sort();
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    files: sorted,
    bytes,
    sha256: createHash('sha256').update(lines.join('\n')).digest('hex'),
  };
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const { folder, sha256, bytes, durationMs } = await buildWorkload();
  console.log(
    `${relative(process.cwd(), folder)}: ${(bytes / 1e6).toFixed(1)} MB, ${sha256} (${Math.round(durationMs)} ms)`,
  );
}
