/** How latency is distributed: by percentile, as an ECDF, and over the time of each round. */
import type { Histogram } from '../../stats/histogram.ts';
import { boundMark, formatValue } from '../units.ts';
import { subjectName } from '../wording.ts';
import { type ChartOption, label, logAxis, logGrid, valueAxis } from './chart.ts';
import { HEAT_COUNT, heatColour, seriesColour } from './colours.ts';
import { HALF, type Picture } from './pictures.ts';
import { perSecond, type SubjectSeries } from './series.ts';

const NO_HISTOGRAM = 'No latency histogram in these records.';
const SOURCE = 'latency.latencyUs.response.histogram of each trial, merged';

const inMs = (us: number) => us / 1000;
/** For an axis: `2 ms`, `500 µs`, `1 s`. */
export const shortMs = (ms: number) =>
  formatValue(ms * 1000, 'us')
    .replace(/(\.\d*?)0+ /, '$1 ')
    .replace('. ', ' ');

type WithLatency = SubjectSeries & { latency: Histogram };

function withLatency(series: SubjectSeries[]): WithLatency[] {
  return series.filter((each): each is WithLatency => (each.latency?.count ?? 0) > 0);
}

const PERCENT = { p50: 50, p99: 99, max: 100 };

/** With `≥` where the percentile of a trial falls among requests that were not answered. */
function boundedUs({ latency, trials }: WithLatency, name: keyof typeof PERCENT): string {
  const isBound = trials.some(
    ({ load }) => load?.latencyUs.response.lowerBounds?.includes(name) === true,
  );
  return `${boundMark(isBound)}${formatValue(latency.percentile(PERCENT[name]), 'us')}`;
}

function rangeMs(series: WithLatency[]): [number, number] {
  const least = Math.min(...series.map(({ latency }) => latency.percentile(0.1)));
  const most = Math.max(...series.map(({ latency }) => latency.max));
  return [inMs(Math.max(1, least)) * 0.9, inMs(most) * 1.1];
}

function countWords(series: WithLatency[]): string {
  const trials = [...new Set(series.map(({ histograms }) => histograms))].join(', ');
  const least = Math.min(...series.map(({ latency }) => latency.count));
  return `${trials} ${trials === '1' ? 'trial' : 'trials'} each, at least ${least.toLocaleString('en-US')} requests`;
}

/** A closed loop has no plan that a request could be late for. */
function clockWords(series: SubjectSeries[]): string {
  const loops = new Set(series.flatMap(({ trials }) => trials.map(({ load }) => load?.plan.loop)));
  return loops.has('closed')
    ? 'in a closed loop, which sends nothing during a stall'
    : 'from the intended time of each request';
}

export function seriesLegend(series: SubjectSeries[]): NonNullable<Picture['legend']> {
  return series.map(({ subject, index }) => ({
    className: `s${index % 8}${subject.role === 'control' ? ' dashed' : ''}`,
    text: subjectName(subject),
  }));
}

function lineOf({ subject, index }: SubjectSeries, data: number[][]): ChartOption {
  return {
    type: 'line',
    name: subject.label,
    data,
    symbol: 'none',
    silent: true,
    lineStyle: {
      color: seriesColour(index),
      width: subject.role === 'control' ? 1.5 : 2,
      type: subject.role === 'control' ? 'dashed' : 'solid',
    },
  };
}

const PERCENTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 99.999];

export function percentilePicture(all: SubjectSeries[]): Picture {
  const series = withLatency(all);
  const base = {
    id: 'latency-percentiles',
    title: 'Latency by percentile',
    caption: `Response latency ${clockWords(series)}, log axes. ${series.length === 0 ? '' : countWords(series)}.`,
    source: SOURCE,
    size: HALF,
    legend: seriesLegend(series),
  };
  if (series.length === 0) {
    return { ...base, alternative: '', option: null, missing: NO_HISTOGRAM, data: noRows };
  }
  const range = rangeMs(series);
  // the last percentile that at least two requests stand behind
  const decades = Math.max(
    1,
    ...series.map(({ latency }) => Math.log10(Math.max(10, latency.count / 2))),
  );
  const lines = series.map((each, i) => {
    const reach = Math.log10(Math.max(10, each.latency.count / 2));
    const data = Array.from({ length: 81 }, (_, step) => {
      const x = (decades * step) / 80;
      const percent = 100 * (1 - 10 ** -x);
      return [x, Math.log10(inMs(Math.max(1, each.latency.percentile(percent))))];
    }).filter(([x]) => x! <= reach + 1e-9);
    const grid = i === 0 ? { markLine: logGrid('yAxis', ...range) } : {};
    return { ...lineOf(each, data), ...grid };
  });
  const ticks = Array.from({ length: Math.floor(decades) + 1 }, (_, i) => i);
  return {
    ...base,
    alternative: `Line chart. ${series
      .map(
        (each) =>
          `${subjectName(each.subject)}: median ${boundedUs(each, 'p50')}, p99 ${boundedUs(each, 'p99')}, greatest ${boundedUs(each, 'max')}`,
      )
      .join('; ')}.`,
    option: {
      grid: { left: 64, right: 28, top: 20, bottom: 34 },
      xAxis: valueAxis('', {
        min: 0,
        max: decades,
        interval: 1,
        axisLabel: {
          ...label,
          customValues: ticks,
          formatter: (x: number) =>
            x === 0 ? 'min' : `p${Number((100 * (1 - 10 ** -x)).toFixed(Math.max(0, x - 2)))}`,
        },
        splitLine: { show: false },
      }),
      yAxis: logAxis('', range, shortMs),
      series: lines,
    },
    data: {
      head: ['Percentile', ...series.map(({ subject }) => `${subjectName(subject)} (ms)`)],
      rows: PERCENTILES.map((percent) => [
        `p${percent}`,
        ...series.map(({ latency }) =>
          latency.count * (1 - percent / 100) >= 1
            ? inMs(latency.percentile(percent)).toFixed(3)
            : 'too few requests',
        ),
      ]),
    },
  };
}

export function ecdfPicture(all: SubjectSeries[]): Picture {
  const series = withLatency(all);
  const base = {
    id: 'latency-ecdf',
    title: 'Share of requests answered within a time',
    caption: `Empirical distribution of response latency, log axis. ${series.length === 0 ? '' : countWords(series)}.`,
    source: SOURCE,
    size: HALF,
    legend: seriesLegend(series),
  };
  if (series.length === 0) {
    return { ...base, alternative: '', option: null, missing: NO_HISTOGRAM, data: noRows };
  }
  const range = rangeMs(series);
  const steps = Array.from(
    { length: 121 },
    (_, i) => range[0] * (range[1] / range[0]) ** (i / 120),
  );
  const shares = series.map(({ latency }) => sharesWithin(latency, steps));
  const shown = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
  return {
    ...base,
    alternative: `Line chart of the share of requests answered within a time. Half are answered within: ${series
      .map((each) => `${subjectName(each.subject)} ${boundedUs(each, 'p50')}`)
      .join(', ')}.`,
    option: {
      grid: { left: 54, right: 36, top: 20, bottom: 34 },
      xAxis: logAxis('', range, shortMs),
      yAxis: valueAxis('', {
        min: 0,
        max: 1,
        interval: 0.25,
        axisLabel: { ...label, formatter: (y: number) => `${y * 100} %` },
      }),
      series: series.map((each, i) => ({
        ...lineOf(
          each,
          steps.map((ms, step) => [Math.log10(ms), shares[i]![step]!]),
        ),
        ...(i === 0 ? { markLine: logGrid('xAxis', ...range) } : {}),
      })),
    },
    data: {
      head: ['Within', ...series.map(({ subject }) => `${subjectName(subject)} (%)`)],
      rows: shown
        .filter((ms) => ms >= range[0] && ms <= range[1])
        .map((ms) => [
          `${ms} ms`,
          ...series.map(({ latency }) => (100 * sharesWithin(latency, [ms])[0]!).toFixed(3)),
        ]),
    },
  };
}

const noRows = { head: [], rows: [] };

/** Share of values ≤ each of `steps` (ms, ascending). */
function sharesWithin(histogram: Histogram, steps: number[]): number[] {
  const shares: number[] = [];
  const buckets = [...histogram.buckets()];
  let at = 0;
  let seen = 0;
  for (const ms of steps) {
    while (at < buckets.length && buckets[at]![1] <= ms * 1000) seen += buckets[at++]![2];
    shares.push(seen / histogram.count);
  }
  return shares;
}

interface CellApi {
  value(dimension: number): number;
  coord(at: [number, number]): [number, number];
  size(of: [number, number]): [number, number];
}

const MAX_ROWS = 16;
const MAX_COLUMNS = 40;

/** One picture per subject: rounds by time, coloured by the worst p99 of the cell. */
export function heatPictures(all: SubjectSeries[]): Picture[] {
  const grids = all.map((each) => heatGrid(each));
  const cells = grids.flatMap((grid) => grid.cells.map(([, , us]) => us));
  if (cells.length === 0) return [];
  const [least, most] = [Math.min(...cells), Math.max(...cells)];
  const classOf = (us: number) =>
    most === least
      ? 0
      : Math.min(
          HEAT_COUNT - 1,
          Math.floor((HEAT_COUNT * Math.log(us / least)) / Math.log(most / least)),
        );
  const bounds = Array.from(
    { length: HEAT_COUNT + 1 },
    (_, i) => least * (most / least) ** (i / HEAT_COUNT),
  );
  const legend = Array.from({ length: HEAT_COUNT }, (_, i) => ({
    className: `heat h${i}`,
    text: `from ${formatValue(bounds[i]!, 'us')}`,
  }));
  return all.flatMap((each, i): Picture[] => {
    const { cells: own, rows, columns, secondsPerColumn, grouped } = grids[i]!;
    if (own.length === 0) return [];
    const worst = own.reduce((a, b) => (b[2] > a[2] ? b : a));
    return [
      {
        id: `heat-${each.index}`,
        title: `p99 over time, ${subjectName(each.subject)}`,
        caption: `Each row is ${grouped > 1 ? `${grouped} rounds` : 'a round'}, each cell ${secondsPerColumn} s: the worst one-second p99 in it. ${each.trials.length} ${each.trials.length === 1 ? 'trial' : 'trials'}; empty: nothing was answered; colours are shared by all targets.`,
        source: 'latency.windows[].p99Us of each trial',
        size: { width: 620, height: 70 + 22 * rows.length },
        legend,
        alternative: `Heat map of p99 by round and second for ${subjectName(each.subject)}: worst ${formatValue(worst[2], 'us')} in ${rows[worst[1]]} at ${worst[0] * secondsPerColumn} s.`,
        option: {
          grid: { left: 84, right: 16, top: 10, bottom: 34 },
          xAxis: {
            type: 'category',
            data: Array.from({ length: columns }, (_, c) => `${c * secondsPerColumn} s`),
            axisLabel: { ...label, interval: Math.max(0, Math.ceil(columns / 8) - 1) },
            axisTick: { show: false },
            axisLine: { show: false },
            splitLine: { show: false },
          },
          yAxis: {
            type: 'category',
            data: rows,
            inverse: true,
            axisLabel: { ...label, width: 76, overflow: 'truncate' },
            axisTick: { show: false },
            axisLine: { show: false },
          },
          series: [
            {
              type: 'custom',
              silent: true,
              data: own,
              encode: { x: 0, y: 1 },
              renderItem: (_: unknown, api: CellApi) => {
                const [x, y] = api.coord([api.value(0), api.value(1)]);
                const [width, height] = api.size([1, 1]);
                return {
                  type: 'rect',
                  shape: {
                    x: x - width / 2,
                    y: y - height / 2 + 1,
                    width: width - 1,
                    height: height - 2,
                  },
                  style: { fill: heatColour(classOf(api.value(2))) },
                };
              },
            },
          ],
        },
        data: {
          head: ['Round', 'Median of the seconds (ms)', 'Worst second (ms)', 'At'],
          rows: rows.map((name, row) => {
            const inRow = own.filter(([, y]) => y === row);
            const sorted = inRow.map(([, , us]) => us).sort((a, b) => a - b);
            const most = inRow.reduce((a, b) => (b[2] > a[2] ? b : a), inRow[0] ?? [0, 0, 0]);
            return [
              name,
              sorted.length === 0 ? 'none' : inMs(sorted[sorted.length >> 1]!).toFixed(3),
              sorted.length === 0 ? 'none' : inMs(most[2]).toFixed(3),
              `${most[0] * secondsPerColumn} s`,
            ];
          }),
        },
      },
    ];
  });
}

function heatGrid({ trials }: SubjectSeries) {
  const loads = trials.filter(({ load }) => load !== null);
  const seconds = Math.max(0, ...loads.map(({ load }) => (load?.plan.durationMs ?? 0) / 1000));
  const secondsPerColumn = Math.max(1, Math.ceil(seconds / MAX_COLUMNS));
  const grouped = Math.max(1, Math.ceil(loads.length / MAX_ROWS));
  const worst = new Map<string, [number, number, number]>();
  loads.forEach((trial, t) => {
    for (const { second, value } of perSecond(trial, 'p99Us')) {
      const column = Math.floor(second / secondsPerColumn);
      const row = Math.floor(t / grouped);
      const key = `${column} ${row}`;
      if (value > (worst.get(key)?.[2] ?? 0)) worst.set(key, [column, row, value]);
    }
  });
  const names = loads.map(({ name }) => name);
  const rows = Array.from({ length: Math.ceil(loads.length / grouped) }, (_, row) => {
    const first = names[row * grouped]!;
    const last = names[Math.min(names.length - 1, (row + 1) * grouped - 1)]!;
    return first === last ? first : `${first}–${last.replace(/^round /, '')}`;
  });
  return {
    cells: [...worst.values()],
    rows,
    columns: Math.ceil(seconds / secondsPerColumn),
    secondsPerColumn,
    grouped,
  };
}
