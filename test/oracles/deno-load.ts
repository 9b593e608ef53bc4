/** The oracles' loads in a process of Deno's instead of in this one. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, ScratchpadError } from '../../cli/errors.ts';
import { packageRoot } from '../../cli/host/paths.ts';
import type { LoadMeasurement, LoadOptions, LoadTick } from '../../cli/load/types.ts';
import { runtimeBinary } from '../contract/server.ts';

const MAIN = fileURLToPath(new URL('./deno-main.ts', import.meta.url));

type FromDeno =
  | { tick: LoadTick }
  | { measurement: LoadMeasurement }
  | { error: { code: ErrorCode; message: string } };

/** As runLoad: it throws the same errors, by code. */
export async function loadOnDeno(
  options: LoadOptions,
  { signal, onTick }: { signal: AbortSignal; onTick?: (tick: LoadTick) => void },
): Promise<LoadMeasurement> {
  const child = spawn(
    runtimeBinary('deno').path,
    ['run', '-A', '--no-lock', '--node-modules-dir=manual', MAIN]
      .concat(JSON.stringify(options))
      .concat(signal.aborted ? ['aborted'] : []),
    {
      cwd: packageRoot,
      env: { ...process.env, DENO_NO_UPDATE_CHECK: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  child.stdin.on('error', () => {}); // it has ended before it was aborted
  const abort = () => child.stdin.write('abort\n');
  signal.addEventListener('abort', abort, { once: true });
  try {
    for await (const line of createInterface(child.stdout)) {
      const message = JSON.parse(line) as FromDeno;
      if ('tick' in message) onTick?.(message.tick);
      else if ('error' in message) {
        throw new ScratchpadError(message.error.code, message.error.message);
      } else return message.measurement;
    }
    throw new Error('Deno ended without a measurement');
  } finally {
    signal.removeEventListener('abort', abort);
    child.kill('SIGKILL');
  }
}
