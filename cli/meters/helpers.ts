/** Processes beside the target: helpers, charged to it, and daemons, listed apart. */
import { type Measured, unavailable } from '../record/measured.ts';
import type { MeterReading } from './meter.ts';
import { ProcessFiles } from './processes.ts';
import type { HelperProcess } from './spec.ts';

export interface HelperFigures {
  list: MeterReading['helpers'];
  userMs: number;
  systemMs: number;
  /** RssAnon of the living: what a cgroup would charge them, without kernel memory. */
  anonymousBytes: number;
  pssBytes: Measured<number>;
  notes: string[];
}

interface Known {
  process: HelperProcess;
  files: ProcessFiles;
  userMs: number;
  systemMs: number;
  ended: boolean;
}

/** Reads a fixed list of processes. One that ends keeps its last CPU figures: they were used. */
export class HelperReader {
  readonly #known: Known[];

  constructor(processes: readonly HelperProcess[]) {
    this.#known = processes.map((process) => ({
      process,
      files: new ProcessFiles(process.pid),
      userMs: 0,
      systemMs: 0,
      ended: false,
    }));
  }

  read({ expensive }: { expensive: boolean }): HelperFigures {
    const figures: HelperFigures = {
      list: [],
      userMs: 0,
      systemMs: 0,
      anonymousBytes: 0,
      pssBytes: 0,
      notes: [],
    };
    for (const known of this.#known) {
      const { name, pid } = known.process;
      const stat = known.ended ? undefined : known.files.stat();
      const memory = stat === undefined ? undefined : known.files.memory();
      if (stat === undefined) {
        known.ended = true;
        figures.notes.push(`${name} (pid ${pid}) has ended: its last CPU figures are kept`);
      } else {
        // Their own time only: a shim's ended children are the container's, which has a cgroup.
        known.userMs = stat.userMs;
        known.systemMs = stat.systemMs;
      }
      figures.userMs += known.userMs;
      figures.systemMs += known.systemMs;
      figures.anonymousBytes += memory?.anonymousBytes ?? 0;
      if (expensive && stat !== undefined && typeof figures.pssBytes === 'number') {
        const pss = known.files.pssBytes();
        figures.pssBytes = typeof pss === 'number' ? figures.pssBytes + pss : pss;
      }
      figures.list.push({
        name,
        pid,
        cpuMs: known.userMs + known.systemMs,
        rssBytes: memory?.rssBytes ?? unavailable(`${name} (pid ${pid}) has ended`),
      });
    }
    return figures;
  }

  close(): void {
    for (const { files } of this.#known) files.close();
  }
}
