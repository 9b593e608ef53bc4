/**
 * The `resources` of a record: readings at the edges, one sample per interval between, and what the
 * window cost (keys: window-figures.ts). Used around a load:
 *
 *     const recorder = recordResources(meter);
 *     await recorder.readBefore();            // nothing is under load yet
 *     await recorder.openWindow();            // when the warm-up is over
 *     …                                       // the load
 *     await recorder.endWindow();             // when its time is over, the last answers still open
 *     await recorder.closeWindow();           // when they have come
 *     const { resources, warnings } = recorder.collect({ answered, payload });
 */
import { isUnavailable, type Measured, unavailable } from '../record/measured.ts';
import type { Resources } from '../record/schema.ts';
import { type HostMeter, type HostReading, openHostMeter } from './host.ts';
import type { Meter, MeterReading } from './meter.ts';
import { type SamplerReport, startSampler } from './sampler.ts';
import { windowFigures } from './window.ts';
import { deviceOf } from './writeback.ts';

export interface RecordOptions {
  intervalMs?: number;
  maxSamples?: number;
  onSample?: (reading: MeterReading) => void;
  /** For tests. */
  hostMeter?: HostMeter;
}

/** Bytes on the load's own account. */
export interface LoadCounts {
  /** Requests that were answered within the window: the divisor of `…Per1000Requests`. */
  answered: number;
  /** Bytes of posts sent and accepted, where the load counts them. */
  postBytes?: number | null;
  /** HTTP bytes as the generator counted them: `sent` went into the target. */
  payload?: { received: number; sent: number } | null;
}

export interface CollectOptions extends LoadCounts {
  /**
   * Readings by name. The window lies between `windowStart` and `windowEnd`; `settled` is the one
   * after the closing sync; others (`ready+1s`, `ready+30s`) are kept as they are.
   */
  edges: Record<string, Measured<MeterReading>>;
  /** The host at the edges of the same names. */
  hostEdges: Record<string, HostReading>;
  /** null: nothing was sampled, e.g. a server that is not a deployment. */
  sampled: SamplerReport | null;
  /** What the closing sync took. */
  settleMs?: Measured<number>;
  /** Meter.elsewhere. */
  elsewhere?: string | undefined;
}

/** The record's `resources` from what was read; unavailable where the window has no two ends. */
export function collectResources(options: CollectOptions): Measured<Resources> {
  const { edges, hostEdges, sampled, answered, postBytes = null, payload = null } = options;
  const reading = (name: string) => edges[name] ?? unavailable(`no reading at ${name}`);
  const start = reading('windowStart');
  const end = reading('windowEnd');
  const host = hostEdges['windowStart'] &&
    hostEdges['windowEnd'] && {
      start: hostEdges['windowStart'],
      end: hostEdges['windowEnd'],
      settled: hostEdges['settled'] ?? hostEdges['windowEnd'],
    };
  if (isUnavailable(start) && sampled === null) return start;
  const { samples, warnings: _, ...sampling } = sampled ?? NOT_SAMPLED;
  const window = windowFigures({
    start,
    end,
    before: reading('beforeLoad'),
    settled: reading('settled'),
    samples: samples.filter(
      ({ atMs }) =>
        (isUnavailable(start) || atMs >= start.atMs) && (isUnavailable(end) || atMs <= end.atMs),
    ),
    host: host ?? null,
    elsewhere: options.elsewhere,
    answered,
    postBytes,
    payload: payload && { receivedByTarget: payload.sent, sentByTarget: payload.received },
    sampler: sampling,
  });
  return {
    edges: edges as unknown as Resources['edges'],
    // Sources do not change from one reading to the next: the edges carry them.
    samples: samples.map((sample) => ({
      ...sample,
      sources: {},
    })) as unknown as Resources['samples'],
    window,
    sampling,
    settleMs: options.settleMs ?? unavailable('writes were not settled'),
  };
}

const NOT_SAMPLED: SamplerReport = {
  samples: [],
  intervalMs: 0,
  taken: 0,
  late: 0,
  maxLateMs: 0,
  missed: 0,
  failed: 0,
  costCpuMs: 0,
  costCpuShare: 0,
  starved: false,
  warnings: [],
};

export interface ResourceRecorder {
  /**
   * Reads everything, also what may not be read under load (PSS, the guest's own counters): with the
   * reading after the closing sync it spans the whole load, warm-up included. Never rejects.
   */
  readBefore(): Promise<void>;
  /** Reads the start edge and starts the samples. */
  openWindow(): Promise<void>;
  /** Reads the end edge and stops the samples: cheap, answers may still be under way. */
  endWindow(): Promise<void>;
  /**
   * endWindow where that has not been, then has pending writes settle (a sync: not under load) and
   * reads once more, with PSS. Where the window was never opened nothing happens. Both may be called
   * again, and neither rejects: what failed is in the edges.
   */
  closeWindow(): Promise<void>;
  /** After closeWindow. `edges`: readings from before the load. */
  collect(counts: LoadCounts & { edges?: Record<string, Measured<MeterReading>> }): {
    resources: Measured<Resources>;
    warnings: string[];
  };
}

/** Does not close the meter. */
export function recordResources(meter: Meter, options: RecordOptions = {}): ResourceRecorder {
  const device = meter.filesPath === undefined ? undefined : deviceOf(meter.filesPath);
  const host =
    options.hostMeter ?? openHostMeter(device ?? unavailable('the path of its files is not known'));
  const edges: Record<string, Measured<MeterReading>> = {};
  const hostEdges: Record<string, HostReading> = {};
  let opening: Promise<void> | undefined;
  let ending: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let sampler: ReturnType<typeof startSampler> | undefined;
  let report: SamplerReport | undefined;
  let settleMs: Measured<number> = unavailable('this meter can not settle writes');

  const edge = async (name: string, expensive: boolean) => {
    hostEdges[name] = host.read();
    try {
      edges[name] = await meter.read({ expensive });
    } catch (error) {
      edges[name] = unavailable(error instanceof Error ? error.message : String(error));
    }
  };
  const open = async () => {
    await edge('windowStart', false);
    sampler = startSampler(meter, options);
  };
  const end = async () => {
    if (opening === undefined) return;
    await opening;
    await edge('windowEnd', false);
    report = await sampler?.stop();
  };
  const close = async () => {
    if (report !== undefined) {
      if (meter.settle !== undefined) settleMs = await meter.settle();
      await edge('settled', true);
    }
    host.close();
  };
  return {
    readBefore: () => edge('beforeLoad', true),
    openWindow() {
      opening ??= open();
      return opening;
    },
    endWindow() {
      ending ??= end();
      return ending;
    },
    closeWindow() {
      closing ??= this.endWindow().then(close);
      return closing;
    },
    collect({ edges: earlier = {}, ...counts }) {
      if (report === undefined)
        return { resources: unavailable('the load ended before its window opened'), warnings: [] };
      return {
        resources: collectResources({
          ...counts,
          edges: { ...earlier, ...edges },
          hostEdges,
          sampled: report,
          settleMs,
          elsewhere: meter.elsewhere,
        }),
        warnings: report.warnings,
      };
    },
  };
}
