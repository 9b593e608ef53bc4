/**
 * `npm run build`: the workload's bundle (the one artifact), the CLI's bundle, the command manifest
 * and the help text of the fast path. Everything goes to dist/; running it twice gives the same
 * artifact.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildCli } from './build-cli.ts';
import { buildCompletion } from './build-completion.ts';
import { buildTypes } from './build-types.ts';
import { buildWorkload } from './build-workload.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
};

/** What oclif's root help lacks: where to begin, and what the exit codes mean. */
const HELP_EXTRAS = `EXAMPLES
  $ scratchpad bench --quick                 all targets of this host, three short rounds
  $ scratchpad deploy docker                 leave the app running on 127.0.0.1:5001
  $ scratchpad probe docker                  how long does it take to start?
  $ scratchpad load --duration 120           HTTP load on what is deployed
  $ scratchpad compare --format table        the newest records
  $ scratchpad doctor                        what can this host run?

  scratchpad COMMAND --help explains a command; every command takes --json.

EXIT CODES
  0 done, 1 bug, 2 usage, 3 target, 4 measurement void, 5 threshold failed, 130 interrupted
`;

// The workload's build replaces its own folder once it has succeeded.
rmSync(join(root, 'dist', 'cli'), { recursive: true, force: true });
mkdirSync(join(root, 'dist', 'cli'), { recursive: true });
await Promise.all([buildWorkload(), buildCli(root)]);
buildTypes(root);

// oclif's manifest: with it only the asked command is loaded.
execFileSync(process.execPath, [join(root, 'node_modules/oclif/bin/run.js'), 'manifest', root], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
});

buildCompletion(root);

// The fast path prints these without loading anything: made by the real help, so never stale.
const main = `await (await import(${JSON.stringify(join(root, 'dist/cli/main.js'))})).main(['--help'])`;
const help = execFileSync(process.execPath, ['--input-type=module', '-e', main], {
  encoding: 'utf8',
  env: { ...process.env, NO_COLOR: '1', COLUMNS: '100', FORCE_COLOR: '0' },
});
writeFileSync(join(root, 'dist/cli/help.txt'), `${help.trimEnd()}\n\n${HELP_EXTRAS}`);
writeFileSync(join(root, 'dist/cli/version.txt'), `scratchpad ${manifest.version}${commit()}\n`);

/** ` (1f2e3d4)` in a checkout, `-modified` where it differs; nothing without git or its data. */
function commit(): string {
  if (!existsSync(join(root, '.git'))) return ''; // a folder inside of somebody else's checkout
  try {
    const describe = ['describe', '--always', '--exclude=*', '--dirty=-modified'];
    const hash = execFileSync('git', describe, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return ` (${hash})`;
  } catch {
    return '';
  }
}
