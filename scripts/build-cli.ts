/**
 * The CLI in one bundle with shared chunks: commands load lazily, dependencies load fast. Beside it
 * the licences of what is in it.
 */
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { licences } from './licences.ts';

/** Bundled CommonJS packages call `require` for Node's own modules: give it to them. */
const REQUIRE_SHIM = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  "import { dirname as __pathDirname } from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __fileURLToPath(import.meta.url);',
  'const __dirname = __pathDirname(__filename);',
].join('\n');

export async function buildCli(root: string): Promise<void> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [
      'cli/main.ts',
      'cli/load/worker.ts',
      'cli/load/null-server.ts',
      ...globSync('cli/commands/**/*.ts', { cwd: root }),
    ],
    outbase: join(root, 'cli'),
    outdir: join(root, 'dist/cli'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    banner: { js: REQUIRE_SHIM },
    // oclif's optional helpers: never loaded, as commands are plain JavaScript with a manifest.
    external: ['ts-node', 'typescript'],
    chunkNames: 'chunks/[name]-[hash]',
    logLevel: 'warning',
    legalComments: 'external',
    metafile: true,
  });
  const texts = licences(root, Object.keys(metafile.inputs), { notices: true });
  writeFileSync(join(root, 'dist/cli/THIRD_PARTY_LICENSES.txt'), texts);
}
