/** How the CPUs of this host spent their time, all of them together: the first line of /proc/stat. */
import { readFileSync } from 'node:fs';

/** In clock ticks since boot. */
export interface CpuTicks {
  all: number;
  /** Idle, and waiting for a device. */
  idle: number;
  /** Taken by the hypervisor of this host. */
  stolen: number;
}

/** null where there is no /proc: macOS, Windows. */
export function readCpuTicks(): CpuTicks | null {
  try {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.trim().split(/\s+/);
    const ticks = fields.slice(1, 9).map(Number);
    const [, , , idle = 0, waiting = 0, , , stolen = 0] = ticks;
    return { all: ticks.reduce((sum, value) => sum + value, 0), idle: idle + waiting, stolen };
  } catch {
    return null;
  }
}
