/**
 * Notices that its thread stood still: stopped (SIGSTOP, a frozen container), or without a CPU for
 * long. A closed loop sends what it can, so nothing else of it would show. A beat that is late though the
 * thread worked all the while is no stop: what it used of a CPU since the beat before is taken off.
 */
export const BEAT_MS = 20;
/** Less is a timer's or a scheduler's own imprecision. */
const NOTICED_US = 5000;
/** Where it is not known what the thread worked: so long no turn of its event loop takes. */
const NOTICED_BLINDLY_US = 250_000;

export class Heartbeat {
  longestUs = 0;
  totalUs = 0;
  private readonly clock: () => number;
  private readonly cpuUs: () => number;
  private timer: NodeJS.Timeout | null = null;
  private lastUs: number;
  private lastCpuUs: number;

  /** `cpuUs`: CPU time of the thread so far; NaN where it cannot be had. */
  constructor(clock: () => number, cpuUs: () => number) {
    this.clock = clock;
    this.cpuUs = cpuUs;
    this.lastUs = clock();
    this.lastCpuUs = cpuUs();
  }

  start(): this {
    this.timer = setInterval(() => this.beat(), BEAT_MS);
    return this;
  }

  /** Also looks once more: the last beat may have been long ago. */
  stop(): this {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.beat();
    return this;
  }

  /** Public for tests: what the timer calls. */
  beat(): void {
    const now = this.clock();
    const cpuUs = this.cpuUs();
    const used = cpuUs - this.lastCpuUs;
    const isBlind = Number.isNaN(used);
    const stoodUs = now - this.lastUs - BEAT_MS * 1000 - (isBlind ? 0 : used);
    this.lastUs = now;
    this.lastCpuUs = cpuUs;
    if (stoodUs < (isBlind ? NOTICED_BLINDLY_US : NOTICED_US)) return;
    this.totalUs += stoodUs;
    if (stoodUs > this.longestUs) this.longestUs = stoodUs;
  }
}
