/**
 * What the generator itself costs on this host: measured once against a server that does nothing,
 * kept in the cache by host and runtime, and shown beside results. A latency close to it says more
 * about the generator than about the target.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../host/paths.ts';
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { Progress } from '../targets/target.ts';
import { type Calibration, calibrate } from './calibrate.ts';

const storedSchema = z.looseObject({
  measuredAt: z.string(),
  requestsPerSecond: z.number(),
  atRate: z.looseObject({ ratePerSecond: z.number(), responseP50Us: z.number() }),
  warnings: z.array(z.string()),
});

export interface FloorRequest {
  /** Of the host record: another host, or other pinning, has another floor. */
  fingerprint: string;
  generatorCpus: number[] | null;
  /** False: only a stored one, as measuring takes some seconds. */
  mayMeasure: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/** The stored floor of this host, or a fresh one; unavailable, with the reason, where there is none. */
export async function generatorFloor(request: FloorRequest): Promise<Measured<Calibration>> {
  const { fingerprint, generatorCpus, mayMeasure, progress, signal } = request;
  const key = createHash('sha256')
    .update(JSON.stringify([fingerprint, process.version, generatorCpus]))
    .digest('hex')
    .slice(0, 16);
  const file = join(cacheFolder(), 'generator-floor', `${key}.json`);
  const stored = read(file);
  if (stored) return stored;
  if (!mayMeasure)
    return unavailable('not measured on this host yet: loads of 30 s and more do it');
  progress.step('measuring what the generator itself costs on this host (once)');
  try {
    const floor = await calibrate({ generatorCpu: generatorCpus, signal });
    // A floor that was taken on a busy host is told, and taken again the next time.
    if (floor.warnings.length === 0) write(file, floor);
    return floor;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return unavailable(error instanceof Error ? error.message : String(error));
  }
}

export function describeFloor(floor: Measured<Calibration>): string {
  if (isUnavailable(floor)) return `unavailable: ${floor.unavailable}`;
  const { atRate, requestsPerCpuSecond, warnings } = floor as Calibration;
  const rate = isUnavailable(requestsPerCpuSecond)
    ? ''
    : `, ${Math.round(requestsPerCpuSecond as number)} requests per CPU-second`;
  const ms = (us: number) => (us / 1000).toFixed(2);
  return `p50 ${ms(atRate.responseP50Us)}, p99 ${ms(atRate.responseP99Us)} ms at ${atRate.ratePerSecond} requests/s against a server that does nothing${rate}${warnings.length > 0 ? ' (on a busy host)' : ''}`;
}

function read(file: string): Calibration | null {
  try {
    const parsed = storedSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? (parsed.data as unknown as Calibration) : null;
  } catch {
    return null; // absent, or cut off: it is measured anew
  }
}

/** The cache is a convenience: where it cannot be written the floor is measured again. */
function write(file: string, floor: Calibration): void {
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, `${JSON.stringify(floor, null, 1)}\n`);
  } catch {
    // read-only or full
  }
}
