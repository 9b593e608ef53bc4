/** Start-up: what each trial's time was spent on, one picture per subject on its own axis. */
import type { StartUp } from '../../record/schema.ts';
import { formatValue } from '../units.ts';
import { subjectName } from '../wording.ts';
import { label, valueAxis } from './chart.ts';
import { colour, PHASE_COUNT, phaseColour } from './colours.ts';
import type { Picture } from './pictures.ts';
import type { SubjectSeries } from './series.ts';

const MAX_BARS = 24;

interface Segment {
  name: string;
  startMs: number;
  endMs: number;
  source: string;
}

interface Bar {
  name: string;
  startUp: StartUp;
  segments: Segment[];
}

interface ItemApi {
  value(dimension: number): number;
  coord(at: [number, number]): [number, number];
  size(of: [number, number]): [number, number];
}

export function startPictures(all: SubjectSeries[]): Picture[] {
  return all.flatMap((series): Picture[] => {
    const bars = barsOf(series);
    if (bars.length === 0) return [];
    const shown = evenly(bars, MAX_BARS);
    const phases = [...new Set(shown.flatMap(({ segments }) => segments.map(({ name }) => name)))];
    const most = Math.max(...shown.map(({ startUp }) => startUp.firstHitMs));
    const inSeconds = most >= 10_000;
    const resolution = shown.flatMap(({ startUp }) =>
      startUp.lastMissMs === null ? [] : [startUp.firstHitMs - startUp.lastMissMs],
    );
    const widest = resolution.length === 0 ? null : Math.max(...resolution);
    return [
      {
        id: `start-${series.index}`,
        title: `Start-up, ${subjectName(series.subject)}`,
        caption: `From the instant before the start call to the first valid reply, one bar a trial (${bars.length}${shown.length < bars.length ? `, ${shown.length} shown` : ''}). The reply came after the last miss (white line)${widest === null ? '' : `, at most ${formatValue(widest, 'ms')} before the bar's end`}. Each target has its own axis.`,
        source: 'startUp.phases, startUp.lastMissMs and startUp.firstHitMs of each trial',
        size: { width: 620, height: 62 + Math.max(4, shown.length) * 16 },
        legend: phases.map((text, i) => ({ className: `phase p${i % PHASE_COUNT}`, text })),
        alternative: `Stacked bars. First valid reply between ${formatValue(Math.min(...shown.map(({ startUp }) => startUp.firstHitMs)), 'ms')} and ${formatValue(most, 'ms')} over ${shown.length} trials of ${subjectName(series.subject)}. Phases: ${phases.join(', ')}.`,
        option: {
          grid: { left: 84, right: 36, top: 8, bottom: 30 },
          xAxis: valueAxis('', {
            min: 0,
            axisLabel: {
              ...label,
              formatter: (ms: number) => (inSeconds ? `${ms / 1000} s` : `${ms} ms`),
            },
          }),
          yAxis: {
            type: 'category',
            inverse: true,
            data: shown.map(({ name }) => name),
            axisLabel: { ...label, fontSize: 11, width: 76, overflow: 'truncate' },
            axisTick: { show: false },
            axisLine: { show: false },
          },
          series: [
            {
              type: 'custom',
              silent: true,
              encode: { x: [1, 2], y: 0 },
              data: shown.flatMap(({ segments }, row) =>
                segments.map(({ name, startMs, endMs }) => [
                  row,
                  startMs,
                  endMs,
                  phases.indexOf(name),
                ]),
              ),
              renderItem: (_: unknown, api: ItemApi) => {
                const [x, y] = api.coord([api.value(1), api.value(0)]);
                const [end] = api.coord([api.value(2), api.value(0)]);
                return {
                  type: 'rect',
                  shape: { x, y: y - 5, width: Math.max(0.5, end - x), height: 10 },
                  style: { fill: phaseColour(api.value(3)) },
                };
              },
            },
            {
              type: 'custom',
              silent: true,
              encode: { x: 1, y: 0 },
              data: shown.flatMap(({ startUp }, row) =>
                startUp.lastMissMs === null ? [] : [[row, startUp.lastMissMs]],
              ),
              renderItem: (_: unknown, api: ItemApi) => {
                const [x, y] = api.coord([api.value(1), api.value(0)]);
                return {
                  type: 'rect',
                  shape: { x: x - 0.75, y: y - 6, width: 1.5, height: 12 },
                  style: { fill: colour('paper') },
                };
              },
            },
          ],
        },
        data: {
          head: ['Trial', 'Last miss (ms)', 'First valid reply (ms)', 'Phases'],
          rows: bars.map(({ name, startUp, segments }) => [
            name,
            startUp.lastMissMs === null ? 'none' : startUp.lastMissMs.toFixed(1),
            startUp.firstHitMs.toFixed(1),
            segments
              .map((s) => `${s.name} ${(s.endMs - s.startMs).toFixed(0)} ms (${s.source})`)
              .join('; '),
          ]),
        },
      },
    ];
  });
}

function barsOf({ trials }: SubjectSeries): Bar[] {
  return trials.flatMap(({ name, startUps }) =>
    startUps.map((startUp, i) => {
      const segments: Segment[] = startUp.phases.map((phase) => ({ ...phase }));
      const reached = Math.max(0, ...segments.map(({ endMs }) => endMs));
      if (reached < startUp.firstHitMs) {
        segments.push({
          name:
            segments.length === 0 ? 'start to first valid reply' : 'until the first valid reply',
          startMs: reached,
          endMs: startUp.firstHitMs,
          source: 'probe',
        });
      }
      return { name: startUps.length > 1 ? `trial ${i + 1}` : name, startUp, segments };
    }),
  );
}

/** At most `limit` of them, the first and the last included. */
function evenly<T>(items: T[], limit: number): T[] {
  if (items.length <= limit) return items;
  return Array.from(
    { length: limit },
    (_, i) => items[Math.round((i * (items.length - 1)) / (limit - 1))]!,
  );
}
