#!/usr/bin/env node
// The fast path comes first: no argument, --help and --version read one small file and import
// nothing else. Everything else loads the bundled CLI, on the pinned Node, so that the generator's
// figures do not depend on which Node the host happens to have.
import { readFileSync, writeSync } from 'node:fs';

const args = process.argv.slice(2);
const dist = new URL('../../dist/cli/', import.meta.url);
const only = args.length === 1 ? args[0] : undefined;

/** False where the CLI has not been built: the full path says so. */
function print(file) {
  try {
    writeSync(1, readFileSync(new URL(file, dist)));
    return true;
  } catch (error) {
    return error.code === 'EPIPE';
  }
}

const answered =
  args.length === 0 || only === '--help' || only === '-h' || only === 'help'
    ? print('help.txt')
    : only === '--version' || only === '-v'
      ? print('version.txt')
      : false;

if (!answered) await run();

async function run() {
  const { endWithStarter, pinnedNode, runOn } = await import('./pinned-node.js');
  endWithStarter();
  const pinned = pinnedNode();
  const isOther = pinned !== null && pinned.version !== process.versions.node;
  if (isOther && !process.versions.deno && !process.versions.bun) return runOn(pinned, args);
  if (Number.parseInt(process.versions.node, 10) < 22) {
    fail(
      `scratchpad needs Node 22 or newer, and this is ${process.version}.`,
      'install Node 24; for this platform no pinned Node package is installed',
    );
  }
  const { enableCompileCache } = await import('node:module');
  enableCompileCache?.();
  const main = new URL('main.js', dist);
  try {
    readFileSync(main);
  } catch {
    fail('scratchpad has not been built.', 'run `npm run build`');
  }
  await (await import(main.href)).main(args);
}

function fail(message, hint) {
  writeSync(2, `${message}\n  hint: ${hint}\n`);
  process.exit(3);
}
