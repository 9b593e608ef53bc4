#!/usr/bin/env node
// The fast path comes first: no argument, --help and --version read one small file and import
// nothing else. Everything else loads the bundled CLI, on the pinned Node where the host's is old.
import { readFileSync, writeSync } from 'node:fs';

const args = process.argv.slice(2);
const dist = new URL('../../dist/cli/', import.meta.url);
const only = args.length === 1 ? args[0] : undefined;

function print(file) {
  try {
    writeSync(1, readFileSync(new URL(file, dist)));
    return true;
  } catch (error) {
    if (error.code === 'EPIPE') return true;
    return false; // not built: the full path says so
  }
}

const answered =
  args.length === 0 || only === '--help' || only === '-h' || only === 'help'
    ? print('help.txt')
    : only === '--version' || only === '-v'
      ? print('version.txt')
      : false;

if (!answered) {
  if (Number.parseInt(process.versions.node, 10) < 22) {
    const { runOnPinnedNode } = await import('./pinned-node.js');
    await runOnPinnedNode(import.meta.filename ?? process.argv[1], args);
  } else {
    const { enableCompileCache } = await import('node:module');
    enableCompileCache?.();
    let main;
    try {
      main = await import('../../dist/cli/main.js');
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('main.js'))
        throw error;
      writeSync(2, 'scratchpad is not built.\n  hint: run `npm run build`\n');
      process.exit(3);
    }
    await main.main(args);
  }
}
