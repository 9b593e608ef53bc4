/** What the target and the host used during a load, as lines of its summary. */
import { isUnavailable, type Measured } from '../record/measured.ts';
import type { LoadRecord, Resources } from '../record/schema.ts';
import { plainText } from './text.ts';
import { formatValue } from './units.ts';

/** A helper or daemon of a reading: MeterReading's, as the record holds it. */
interface Beside {
  name: string;
  pid: number;
  cpuMs: Measured<number>;
  rssBytes: Measured<number>;
}

/** No line where nothing was deployed; one line with the reason where it could not be read. */
export function usedLines(resources: LoadRecord['resources']): string[] {
  if (resources === undefined) return [];
  if (isUnavailable(resources))
    return [`used       unavailable: ${plainText(resources.unavailable)}`];
  const known = resources as Resources;
  const figure = (key: string) => known.window[key] as Measured<number> | undefined;
  const lines = [
    `used       working set ${words(figure('workingSetPeakBytes'), 'bytes')} peak, CPU ${words(figure('cpuMsPer1000Requests'), 'ms')} per 1,000 requests`,
  ];
  const helpers = besideWords(known, 'helpers');
  if (helpers !== null) lines.push(`  helpers  ${helpers}: part of it`);
  const daemons = besideWords(known, 'daemons');
  if (daemons !== null) lines.push(`daemons    ${daemons}: shared, charged to no target`);
  const busy = figure('hostBusyMs');
  if (busy !== undefined) {
    lines.push(
      `host       busy ${words(busy, 'ms')}, charged to no one ${balanceWords(figure)}, stolen ${words(figure('stealShare'), 'share')}`,
    );
  }
  return lines;
}

/** `35 ms ± 50 ms`; below its uncertainty the figure may as well be zero. */
function balanceWords(figure: (key: string) => Measured<number> | undefined): string {
  const rest = figure('hostUnattributedMs');
  const within = figure('hostBalanceUncertaintyMs');
  const uncertain = typeof within === 'number' ? ` ± ${formatValue(within, 'ms')}` : '';
  return `${words(rest, 'ms')}${typeof rest === 'number' ? uncertain : ''}`;
}

/** `dockerd 12 ms, 80 MiB; containerd 3 ms, 40 MiB`; null where there are none. */
function besideWords({ edges }: Resources, group: 'helpers' | 'daemons'): string | null {
  const at = (edge: string): Beside[] => {
    const reading = edges[edge];
    if (reading === undefined || isUnavailable(reading)) return [];
    return ((reading as Record<string, unknown>)[group] as Beside[] | undefined) ?? [];
  };
  const before = at('windowStart');
  const words = at('windowEnd').map(({ name, pid, cpuMs, rssBytes }) => {
    const from = before.find((each) => each.pid === pid)?.cpuMs;
    const cpu =
      typeof cpuMs === 'number' && typeof from === 'number'
        ? formatValue(cpuMs - from, 'ms')
        : 'CPU unavailable';
    const memory =
      typeof rssBytes === 'number' ? formatValue(rssBytes, 'bytes') : 'memory unavailable';
    return `${plainText(name)} ${cpu}, ${memory}`;
  });
  return words.length === 0 ? null : words.join('; ');
}

function words(value: Measured<number> | undefined, unit: 'ms' | 'bytes' | 'share'): string {
  if (typeof value === 'number') return formatValue(value, unit);
  return value !== undefined && isUnavailable(value)
    ? `unavailable (${plainText(value.unavailable)})`
    : 'unavailable';
}
