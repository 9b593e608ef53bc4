/**
 * What a user sees of a running load: on a TTY one redrawn line a second, elsewhere a plain line
 * every 10 s. Text only; where it goes is the caller's.
 */
import type { LoadOptions, LoadTick } from './types.ts';

/** The part of ConsoleProgress that the view needs. */
export interface LiveOutput {
  readonly tty: boolean;
  live(text: string): void;
  line(text: string): void;
}

export interface LiveView {
  tick(tick: LoadTick): void;
}

const PLAIN_EVERY_MS = 10_000;
const SPARKS = '▁▂▃▄▅▆▇█';
const SPARK_SECONDS = 20;

/** `elapsed/total  asked→achieved/s  p50 p99  errors  sparkline of p99` */
export function createLiveView(
  output: LiveOutput,
  options: Pick<LoadOptions, 'warmupMs' | 'durationMs'>,
): LiveView {
  const recentP99: Array<number | null> = [];
  let failedTotal = 0;
  let answeredSincePlain = 0;
  let secondsSincePlain = 0;
  let nextPlainMs = PLAIN_EVERY_MS;
  return {
    tick(tick) {
      failedTotal += tick.failed;
      answeredSincePlain += tick.answered;
      secondsSincePlain++;
      recentP99.push(tick.p99Us);
      if (recentP99.length > SPARK_SECONDS) recentP99.shift();
      if (output.tty) {
        output.live(
          `${formatTick(tick, tick.answered, failedTotal, options)}  ${sparkline(recentP99)}`,
        );
        return;
      }
      const endOfSecondMs = options.warmupMs + tick.atMs + 1000;
      const isLast = tick.phase === 'measure' && tick.atMs + 1000 >= options.durationMs;
      if (endOfSecondMs < nextPlainMs && !isLast) return;
      nextPlainMs = (Math.floor(endOfSecondMs / PLAIN_EVERY_MS) + 1) * PLAIN_EVERY_MS;
      const perSecond = answeredSincePlain / secondsSincePlain;
      output.line(formatTick(tick, perSecond, failedTotal, options));
      answeredSincePlain = secondsSincePlain = 0;
    },
  };
}

function formatTick(
  tick: LoadTick,
  answeredPerSecond: number,
  failedTotal: number,
  { warmupMs, durationMs }: Pick<LoadOptions, 'warmupMs' | 'durationMs'>,
): string {
  const secondsIn = Math.max(0, Math.round((warmupMs + tick.atMs + 1000) / 1000));
  const total = Math.round((warmupMs + durationMs) / 1000);
  const asked = tick.plannedPerSecond === null ? '' : `${tick.plannedPerSecond} asked, `;
  const phase =
    tick.phase === 'measure' ? '' : ` (${tick.phase === 'warmup' ? 'warm-up' : 'drain'})`;
  return [
    `${String(secondsIn).padStart(String(total).length)}/${total} s${phase}`,
    `${asked}${answeredPerSecond.toFixed(0)} answered/s`,
    `p50 ${milliseconds(tick.p50Us)} p99 ${milliseconds(tick.p99Us)}`,
    `${failedTotal} failed`,
  ].join('  ');
}

function milliseconds(us: number | null): string {
  if (us === null) return '–';
  const value = us / 1000;
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

/** The last seconds' p99 on a logarithmic scale, as latencies are; a blank: nothing was answered. */
export function sparkline(values: ReadonlyArray<number | null>): string {
  const logs = values.map((value) => (value === null ? null : Math.log(Math.max(1, value))));
  const known = logs.filter((value) => value !== null);
  const low = Math.min(...known);
  // a factor of 4 from bottom to top at least, so that noise does not look like a mountain range
  const span = Math.max(Math.log(4), Math.max(...known) - low);
  return logs
    .map((value) =>
      value === null ? ' ' : SPARKS[Math.min(7, Math.floor(((value - low) / span) * 8))],
    )
    .join('');
}
