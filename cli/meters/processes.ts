/**
 * Processes by pid: what /proc says of one, and which ones belong to a deployment. An open
 * `/proc/PID/stat` stays bound to its process: after the end it reads ESRCH, even when the pid has
 * been given to another, so a stranger's figures are never counted.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Measured, unavailable } from '../record/measured.ts';
import { CounterFile, readOnce, whyUnreadable } from './counter-file.ts';
import {
  type ProcessIo,
  type ProcessMemory,
  type ProcessStat,
  parseProcessIo,
  parseProcessMemory,
  parseProcessStat,
  parsePssBytes,
} from './procfs.ts';
import type { HelperProcess } from './spec.ts';

export class ProcessFiles {
  readonly pid: number;
  readonly #stat: CounterFile;
  readonly #status: CounterFile;
  readonly #io: CounterFile;
  readonly #smaps: CounterFile;

  constructor(pid: number) {
    this.pid = pid;
    this.#stat = new CounterFile(`/proc/${pid}/stat`);
    this.#status = new CounterFile(`/proc/${pid}/status`);
    this.#io = new CounterFile(`/proc/${pid}/io`);
    this.#smaps = new CounterFile(`/proc/${pid}/smaps_rollup`);
  }

  /** undefined once it has ended (a zombie has). Ask this first: see above. */
  stat(): ProcessStat | undefined {
    try {
      const stat = parseProcessStat(this.#stat.read());
      return stat.state === 'Z' || stat.state === 'X' ? undefined : stat;
    } catch {
      return undefined;
    }
  }

  memory(): ProcessMemory | undefined {
    try {
      return parseProcessMemory(this.#status.read());
    } catch {
      return undefined;
    }
  }

  io(): Measured<ProcessIo> {
    try {
      return parseProcessIo(this.#io.read());
    } catch (error) {
      return unavailable(whyUnreadable(error, this.#io.path));
    }
  }

  pssBytes(): Measured<number> {
    try {
      return parsePssBytes(this.#smaps.read());
    } catch (error) {
      return unavailable(whyUnreadable(error, this.#smaps.path));
    }
  }

  close(): void {
    for (const file of [this.#stat, this.#status, this.#io, this.#smaps]) file.close();
  }
}

/** The processes that belong to something, as of now. */
export interface ProcessSet {
  readonly source: string;
  pids(): number[];
  /** True only where it is certain that none of them lives. */
  ended(): boolean;
  close(): void;
}

function childrenOf(pid: number): number[] | undefined {
  try {
    // A child is listed under the thread that forked it.
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const text = readOnce(`/proc/${pid}/task/${thread}/children`);
      return text === undefined ? [] : text.split(' ').filter(Boolean).map(Number);
    });
  } catch {
    return undefined;
  }
}

/** Every process of this host; none where there is no /proc. */
export function allProcesses(): ProcessStat[] {
  const found: ProcessStat[] = [];
  if (!existsSync('/proc')) return found;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const text = readOnce(`/proc/${entry}/stat`);
    if (text !== undefined) found.push(parseProcessStat(text));
  }
  return found;
}

/** The roots that still run and all their descendants. */
export function processTrees(roots: readonly number[]): ProcessSet {
  const hasChildrenFiles =
    readOnce(`/proc/${process.pid}/task/${process.pid}/children`) !== undefined;
  let byParent: (pid: number) => number[] | undefined = childrenOf;
  return {
    source: `process tree of ${roots.join(', ')}`,
    pids() {
      if (!hasChildrenFiles) {
        // A kernel without CONFIG_PROC_CHILDREN.
        const all = allProcesses();
        byParent = (pid) => all.filter((each) => each.parentPid === pid).map((each) => each.pid);
      }
      const found = new Set<number>();
      const queue = [...roots];
      for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
        if (found.has(pid)) continue;
        const children = byParent(pid);
        if (children === undefined) continue;
        found.add(pid);
        queue.push(...children);
      }
      return [...found];
    },
    ended: () => roots.every((pid) => !isRunning(pid)),
    close: () => {},
  };
}

/** A zombie has ended; one that may not be looked at may live. */
function isRunning(pid: number): boolean {
  const text = readOnce(`/proc/${pid}/stat`);
  if (text === undefined) return existsSync(`/proc/${pid}`);
  const { state } = parseProcessStat(text);
  return state !== 'Z' && state !== 'X';
}

/** Whoever is in the cgroup or in one that was below it at the call (an init system makes those). */
export function cgroupProcesses(folder: string): ProcessSet {
  const folders = () => {
    try {
      const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
      return [
        folder,
        ...entries.filter((e) => e.isDirectory()).map((e) => join(e.parentPath, e.name)),
      ];
    } catch {
      return [folder];
    }
  };
  const paths = folders().map((each) => join(each, 'cgroup.procs'));
  return {
    source: `processes of ${folder}`,
    pids() {
      return paths.flatMap((path) => {
        try {
          return readFresh(path).split('\n').filter(Boolean).map(Number);
        } catch {
          return [];
        }
      });
    },
    ended() {
      return paths.every((path) => {
        try {
          return readFresh(path).trim() === '';
        } catch (error) {
          // the file of a removed cgroup; one that never had it tells nothing
          const { code } = error as NodeJS.ErrnoException;
          return code === 'ENODEV' || (code === 'ENOENT' && !existsSync(dirname(path)));
        }
      });
    },
    close: () => {},
  };
}

/**
 * Opened anew each time: on v1 the kernel makes the list when the file is opened, and an open file
 * that is read once a second shows that list for ever, without who came and with who has gone.
 */
function readFresh(path: string): string {
  const file = new CounterFile(path);
  try {
    return file.read();
  } finally {
    file.close();
  }
}

/**
 * The open files of a changing set of processes: opened when one appears, closed when it has gone.
 */
export class ProcessGroup {
  readonly set: ProcessSet;
  readonly #open = new Map<number, ProcessFiles>();

  constructor(set: ProcessSet) {
    this.set = set;
  }

  /** Those that are alive, with what their `stat` says now. */
  alive(): Array<{ files: ProcessFiles; stat: ProcessStat }> {
    const pids = new Set(this.set.pids());
    for (const [pid, files] of this.#open) {
      if (pids.has(pid)) continue;
      files.close();
      this.#open.delete(pid);
    }
    const alive: Array<{ files: ProcessFiles; stat: ProcessStat }> = [];
    for (const pid of pids) {
      let files = this.#open.get(pid);
      let stat = files?.stat();
      if (files === undefined || stat === undefined) {
        // New, or another process under a pid that has been used before.
        files?.close();
        files = new ProcessFiles(pid);
        this.#open.set(pid, files);
        stat = files.stat();
      }
      if (stat !== undefined) alive.push({ files, stat });
    }
    return alive;
  }

  close(): void {
    for (const files of this.#open.values()) files.close();
    this.#open.clear();
    this.set.close();
  }
}

const DAEMONS = [
  ...['dockerd', 'containerd'],
  ...['libvirtd', 'virtqemud', 'virtnetworkd', 'virtstoraged', 'virtlogd', 'dnsmasq'],
];

/** Daemons that all containers or machines share. */
export function daemonsAmong(processes: readonly ProcessStat[]): HelperProcess[] {
  return processes
    .filter((each) => DAEMONS.includes(each.name))
    .map(({ name, pid }) => ({ name, pid }));
}
