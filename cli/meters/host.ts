/**
 * What the whole host did, for the closing balance: a CPU-second that no one is charged with is
 * either a daemon's, the kernel's or an error of ours, and the record shows how many there are.
 */
import { type Measured, unavailable } from '../record/measured.ts';
import { nowMs } from './clock.ts';
import { CounterFile, whyUnreadable } from './counter-file.ts';
import { type DeviceCounters, type HostCpu, parseDiskStats, parseHostCpu } from './procfs.ts';

export interface HostReading {
  atMs: number;
  cpu: Measured<HostCpu>;
  /** CPU of this process with all its threads: the load generator and the meters run in it. */
  harnessCpuMs: number;
  /** The device under the target's files, where it was asked for and is known. */
  device: Measured<DeviceCounters>;
}

export interface HostMeter {
  read(): HostReading;
  close(): void;
}

/** `device`: `major:minor` as in /proc/diskstats, or why there is none. */
export function openHostMeter(device: Measured<string>): HostMeter {
  const stat = new CounterFile('/proc/stat');
  const disks = new CounterFile('/proc/diskstats');
  return {
    read() {
      const atMs = nowMs();
      const { user, system } = process.cpuUsage();
      return {
        atMs,
        cpu: parsed(stat, parseHostCpu),
        harnessCpuMs: (user + system) / 1000,
        device:
          typeof device === 'string'
            ? parsed(disks, (text) => {
                const found = parseDiskStats(text).get(device);
                if (found === undefined) throw new Error(`no device ${device}`);
                return found;
              })
            : device,
      };
    },
    close() {
      stat.close();
      disks.close();
    },
  };
}

function parsed<T>(file: CounterFile, parse: (text: string) => T): Measured<T> {
  try {
    return parse(file.read());
  } catch (error) {
    return unavailable(whyUnreadable(error, file.path));
  }
}
