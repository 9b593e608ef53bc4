/**
 * The figures of `resources.window` in the record, by key: what each is, its unit, and which way is
 * better. Reports take titles and units from here. Pure: no `node:` imports.
 *
 * The window is the measured part of a load, warm-up excluded. All CPU figures are of the
 * deployment with its helpers (shim, docker-proxy, ssh tunnel), unless they say host.
 */
export interface WindowFigure {
  title: string;
  unit: 'ms' | 'bytes' | 'count' | 'share' | 'ratio';
  /** null: a circumstance, not a merit. */
  better: 'lower' | 'higher' | null;
}

export const WINDOW_FIGURES = {
  // What everything is divided by
  windowMs: { title: 'Window', unit: 'ms', better: null },
  answered: { title: 'Answered requests', unit: 'count', better: null },

  // CPU
  cpuMs: { title: 'CPU', unit: 'ms', better: 'lower' },
  cpuUserMs: { title: 'CPU, user', unit: 'ms', better: 'lower' },
  cpuSystemMs: { title: 'CPU, system', unit: 'ms', better: 'lower' },
  cpuMsPer1000Requests: { title: 'CPU per 1,000 requests', unit: 'ms', better: 'lower' },
  /** CPU over time: 1 is one CPU kept busy. */
  cpuShare: { title: 'CPU, mean', unit: 'share', better: 'lower' },
  /** The busiest interval between two samples. */
  cpuPeakShare: { title: 'CPU, peak', unit: 'share', better: 'lower' },
  /** Runnable but held back by the CPU ceiling. */
  throttledMs: { title: 'Throttled', unit: 'ms', better: 'lower' },
  /** The helpers' part of cpuMs. */
  helpersCpuMs: { title: 'CPU of helpers', unit: 'ms', better: 'lower' },

  // Memory: mean and peak over the samples of the window
  workingSetMeanBytes: { title: 'Working set, mean', unit: 'bytes', better: 'lower' },
  workingSetPeakBytes: { title: 'Working set, peak', unit: 'bytes', better: 'lower' },
  unreclaimableMeanBytes: { title: 'Unreclaimable, mean', unit: 'bytes', better: 'lower' },
  unreclaimablePeakBytes: { title: 'Unreclaimable, peak', unit: 'bytes', better: 'lower' },
  /** Proportional set size after the load. */
  pssBytes: { title: 'PSS after load', unit: 'bytes', better: 'lower' },
  /** The kernel's high-water mark since the start: page cache included, helpers not, not of the window. */
  peakSinceStartBytes: { title: 'Charged, peak since start', unit: 'bytes', better: 'lower' },
  guestUsedMeanBytes: { title: 'Used in the guest, mean', unit: 'bytes', better: 'lower' },
  guestUsedPeakBytes: { title: 'Used in the guest, peak', unit: 'bytes', better: 'lower' },
  /** Charged to the host less used in the guest: what the machine costs beyond its content. */
  guestOverheadMeanBytes: { title: 'Host − guest, mean', unit: 'bytes', better: 'lower' },
  /** After the closing sync: a guest without a balloon device is asked only then. */
  guestUsedAfterBytes: { title: 'Used in the guest, after load', unit: 'bytes', better: 'lower' },
  guestOverheadAfterBytes: { title: 'Host − guest, after load', unit: 'bytes', better: 'lower' },
  helpersMemoryBytes: { title: 'Memory of helpers', unit: 'bytes', better: 'lower' },

  // Disk: after the closing sync
  diskReadBytes: { title: 'Disk read', unit: 'bytes', better: 'lower' },
  diskWrittenBytes: { title: 'Disk written', unit: 'bytes', better: 'lower' },
  diskReadOps: { title: 'Disk reads', unit: 'count', better: 'lower' },
  diskWriteOps: { title: 'Disk writes', unit: 'count', better: 'lower' },
  /** Write amplification: bytes written per byte of posts sent. */
  diskWrittenBytesPerPostByte: { title: 'Write amplification', unit: 'ratio', better: 'lower' },
  /** The device under its files, everyone's traffic: what attribution can't exceed. */
  deviceReadBytes: { title: 'Device read, all', unit: 'bytes', better: null },
  deviceWrittenBytes: { title: 'Device written, all', unit: 'bytes', better: null },

  // Network, as the target sees it: received = into the target
  networkReceivedBytes: { title: 'Wire received', unit: 'bytes', better: 'lower' },
  networkSentBytes: { title: 'Wire sent', unit: 'bytes', better: 'lower' },
  /**
   * From before the warm-up until the closing sync: a guest's interfaces are read only where there is
   * no load, so for a machine without a tap of its own this is all that there is.
   */
  networkLoadReceivedBytes: { title: 'Wire received, load', unit: 'bytes', better: 'lower' },
  networkLoadSentBytes: { title: 'Wire sent, load', unit: 'bytes', better: 'lower' },
  networkPayloadReceivedBytes: { title: 'Payload received', unit: 'bytes', better: null },
  networkPayloadSentBytes: { title: 'Payload sent', unit: 'bytes', better: null },

  // The host's closing balance: busy = attributed + unattributed
  hostBusyMs: { title: 'Host busy', unit: 'ms', better: null },
  /** Target with helpers, harness and daemons. */
  hostAttributedMs: { title: 'Host attributed', unit: 'ms', better: null },
  /** The kernel's own threads and interrupts, and everyone else; right to within ± the next figure. */
  hostUnattributedMs: { title: 'Host unattributed', unit: 'ms', better: null },
  hostBalanceUncertaintyMs: { title: 'Uncertainty of the balance', unit: 'ms', better: null },
  /** The load generator, the meters and the rest of this process. */
  harnessCpuMs: { title: 'CPU of the harness', unit: 'ms', better: null },
  /** dockerd, containerd, libvirtd: shared, so charged to no target. */
  daemonsCpuMs: { title: 'CPU of daemons', unit: 'ms', better: null },
  /** Taken by this host's own hypervisor. */
  stealMs: { title: 'Steal', unit: 'ms', better: null },
  /** Of all CPU time of the host. */
  stealShare: { title: 'Steal', unit: 'share', better: null },

  // The meter itself
  samplesTaken: { title: 'Samples', unit: 'count', better: null },
  samplesMissed: { title: 'Samples missed', unit: 'count', better: null },
  meterCpuMs: { title: 'CPU of the meter', unit: 'ms', better: null },
  meterCpuShare: { title: 'CPU of the meter', unit: 'share', better: null },
} as const satisfies Record<string, WindowFigure>;

export type WindowKey = keyof typeof WINDOW_FIGURES;
