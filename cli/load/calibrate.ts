/**
 * What this host's generator can do at best: the load engine against a server that does nothing.
 * A result near this floor says more about the generator than about the target.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ScratchpadError } from '../errors.ts';
import { type Measured, unavailable } from '../record/measured.ts';
import { runLoad } from './run.ts';
import type { LoadMeasurement, LoadOptions } from './types.ts';
import { workerEntry } from './worker-url.ts';

export interface CalibrationOptions {
  /** Of each of the two parts: closed loop, open loop. */
  durationMs: number;
  /** Rate of the open loop. */
  ratePerSecond: number;
  connections: number;
  generatorCpu: number | readonly number[] | null;
  signal: AbortSignal;
}

/** The host's floor. Latencies in µs. */
export interface Calibration {
  measuredAt: string;
  runtime: string;
  /** Closed loop at full speed, per second of the worker's CPU time. */
  requestsPerCpuSecond: Measured<number>;
  requestsPerSecond: number;
  /** Open loop at `ratePerSecond`. */
  atRate: {
    ratePerSecond: number;
    responseP50Us: number;
    responseP99Us: number;
    lagP50Us: number;
    lagP99Us: number;
  };
  /** Why the floor is no floor, e.g. because the host was busy. */
  warnings: string[];
}

const DEFAULTS: CalibrationOptions = {
  durationMs: 2000,
  ratePerSecond: 1000,
  connections: 64,
  generatorCpu: null,
  signal: new AbortController().signal,
};

/**
 * Measure the floor; takes about 2 · (durationMs + 1 s). Storing it is the caller's.
 * Throws ScratchpadError TARGET_START_FAILED where the null server does not start, INTERRUPTED.
 */
export async function calibrate(options: Partial<CalibrationOptions> = {}): Promise<Calibration> {
  const { durationMs, ratePerSecond, connections, generatorCpu, signal } = {
    ...DEFAULTS,
    ...options,
  };
  const server = await startNullServer();
  const run = async (changes: Partial<LoadOptions>): Promise<LoadMeasurement> => {
    const measurement = await runLoad(
      {
        url: server.url,
        loop: 'open',
        ratePerSecond: null,
        arrival: 'constant',
        connections,
        durationMs,
        warmupMs: 500,
        drainMs: 1000,
        timeoutMs: 5000,
        seed: 1,
        workers: 1,
        scenario: null,
        headers: {},
        ...changes,
      },
      { signal, generatorCpu },
    );
    if (measurement.interrupted) {
      throw new ScratchpadError('INTERRUPTED', 'The calibration was interrupted');
    }
    return measurement;
  };
  try {
    const open = await run({ ratePerSecond });
    const closed = await run({ loop: 'closed' });
    const { response, lag } = open.latencyUs;
    return {
      measuredAt: closed.startedAt,
      runtime: `node ${process.versions.node}`,
      requestsPerCpuSecond: perCpuSecond(closed),
      requestsPerSecond: closed.requestsPerSecond,
      atRate: {
        ratePerSecond,
        responseP50Us: response.p50,
        responseP99Us: response.p99,
        lagP50Us: lag.p50,
        lagP99Us: lag.p99,
      },
      warnings: [...open.generator.reasons, ...closed.generator.reasons].map(
        (reason) => `while calibrating: ${reason}`,
      ),
    };
  } finally {
    await server.stop();
  }
}

function perCpuSecond({ counts, generator }: LoadMeasurement): Measured<number> {
  return generator.cpuMs > 0
    ? counts.sentOnWire / (generator.cpuMs / 1000)
    : unavailable('the CPU time of the worker could not be read');
}

/** Start the null server as a process of its own. Ends with `stop`, or with this process. */
export async function startNullServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const { url: entry, execArgv } = workerEntry('null-server');
  const child = spawn(process.execPath, [...execArgv, fileURLToPath(entry)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    if (complaint.length < 4096) complaint += text;
  });
  const exited = once(child, 'exit');
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]) => String(text)),
    exited.then(() => null),
  ]);
  if (line === null) {
    throw new ScratchpadError('TARGET_START_FAILED', 'The null server did not start', {
      cause: complaint,
    });
  }
  return {
    url: `http://127.0.0.1:${line}/`,
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
