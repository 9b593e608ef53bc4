/** Throughput, p99, CPU and memory over the measured time, under each other on one clock. */
import { quantile } from 'simple-statistics';
import { formatValue } from '../units.ts';
import { subjectName } from '../wording.ts';
import { type ChartOption, label, logAxis, logTicks, valueAxis } from './chart.ts';
import { colour, seriesColour } from './colours.ts';
import { seriesLegend, shortMs } from './latency-pictures.ts';
import type { Picture } from './pictures.ts';
import { perSecond, type SubjectSeries, type TrialSeries } from './series.ts';

const MAX_BINS = 180;
const PANELS = [
  { what: 'answered', name: 'Answered per second', unit: 1 },
  { what: 'p99Us', name: 'p99 latency of each second', unit: 1000 },
  { what: 'cpuShare', name: 'CPU, share of one core', unit: 0.01 },
  { what: 'workingSetBytes', name: 'Working set', unit: 2 ** 20 },
] as const;
/** Targets further apart than this share a log axis: on a linear one the smaller would be a flat line. */
const LINEAR_UP_TO = 8;
type What = (typeof PANELS)[number]['what'];

interface Bin {
  second: number;
  least: number;
  middle: number;
  most: number;
}

interface Stall {
  series: SubjectSeries;
  trial: string;
  second: number;
  us: number;
  times: number;
}

export function timePicture(all: SubjectSeries[]): Picture | null {
  const seconds = Math.max(
    0,
    ...all.flatMap(({ trials }) => trials.map(({ load }) => (load?.plan.durationMs ?? 0) / 1000)),
  );
  if (seconds < 2) return null;
  const width = Math.max(1, Math.ceil(seconds / MAX_BINS));
  const bins = new Map(
    PANELS.map(({ what }) => [what, all.map(({ trials }) => binsOf(trials, what, width))] as const),
  );
  const panels = PANELS.filter(({ what }) => bins.get(what)!.some((each) => each.length > 0));
  if (panels.length === 0) return null;
  const stalls = stallsOf(all);
  const silences = silencesOf(all);
  const panelHeight = 132;
  const option: ChartOption = { title: [], grid: [], xAxis: [], yAxis: [], series: [] };
  panels.forEach(({ what, name, unit }, panel) => {
    const top = 26 + panel * (panelHeight + 34);
    const ofPanel = bins.get(what)!;
    const values = ofPanel.flat().flatMap(({ least, most }) => [least, most]);
    const middles = ofPanel.flat().flatMap(({ middle }) => (middle > 0 ? [middle] : []));
    const apart = Math.max(...middles) / Math.min(...middles);
    const isLog = what === 'p99Us' || (what !== 'answered' && apart > LINEAR_UP_TO);
    const floor = Math.min(...values.filter((value) => value > 0)) / unit;
    const scale = isLog ? (value: number) => Math.log10(Math.max(floor, value / unit)) : identity;
    const range: [number, number] = [floor * 0.9, (Math.max(...values) / unit) * 1.2];
    option['title'].push({
      text: isLog ? `${name} (log)` : name,
      left: 12,
      top: top - 26,
      textStyle: { fontSize: 12, fontWeight: 600, color: colour('ink') },
    });
    option['grid'].push({ left: 76, right: 36, top, height: panelHeight });
    option['xAxis'].push(
      valueAxis('', {
        gridIndex: panel,
        min: 0,
        max: seconds,
        axisLabel: {
          ...label,
          show: panel === panels.length - 1,
          formatter: (second: number) => `${second} s`,
        },
      }),
    );
    option['yAxis'].push(
      isLog
        ? logAxis('', range, (value) => format(what, value * unit), { gridIndex: panel })
        : valueAxis('', {
            gridIndex: panel,
            min: 0,
            ...linearTicks(Math.max(...values), unit),
            axisLabel: { ...label, formatter: (value: number) => format(what, value) },
          }),
    );
    all.forEach((series, i) => {
      const own = ofPanel[i]!;
      if (own.length === 0) return;
      option['series'].push(...bandAndLine(series, own, panel, scale));
    });
    if (what === 'p99Us') option['series'].push(...marksOf(stalls, panel, scale));
    if (what === 'answered') option['series'].push(...silenceMarks(silences, panel, seconds));
    if (isLog) {
      option['series'].push({
        type: 'line',
        xAxisIndex: panel,
        yAxisIndex: panel,
        data: [],
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: colour('grid'), type: 'solid' },
          data: logTicks(...range).map((yAxis) => ({ yAxis })),
        },
      });
    }
  });
  return {
    id: 'time',
    title: 'Over the measured time, on one clock',
    caption: `Line: median of the trials in each ${width === 1 ? 'second' : `${width} s`}; band: their least and greatest. ${all.map((s) => `${subjectName(s.subject)} ${s.trials.length}`).join(', ')} trials. ${stalls.length === 0 ? 'No second had a p99 above five times its trial’s median.' : 'Rings: the longest stalls.'}${silentWords(silences)}`,
    source: 'latency.windows and resources.samples of each trial',
    size: { width: 1260, height: 30 + panels.length * (panelHeight + 34) },
    wide: true,
    legend: seriesLegend(all),
    alternative: `Four line charts over ${seconds} seconds. ${
      stalls.length === 0
        ? 'No second stands out from its trial.'
        : `Longest stalls: ${stalls.map(stallWords).join('; ')}.`
    }${silentWords(silences)}`,
    option,
    data: {
      head: ['Stall', 'Trial', 'At', 'p99 of that second', 'Times the trial’s median'],
      rows: [
        ...stalls.map(({ series, trial, second, us, times }) => [
          subjectName(series.subject),
          trial,
          `${second} s`,
          formatValue(us, 'us'),
          `${times.toFixed(1)}×`,
        ]),
        ...silences
          .slice(0, MAX_SILENCES)
          .map(({ subject, trial, second }) => [
            subject,
            trial,
            `${second} s`,
            'nothing was answered',
            '–',
          ]),
      ],
    },
  };
}

const identity = (value: number) => value;

function format(what: What, value: number): string {
  if (what === 'p99Us') return shortMs(value / 1000);
  if (what === 'workingSetBytes') return formatValue(value, 'bytes').replace(/\.0+(?= )/, '');
  if (what === 'cpuShare') return `${Number((value * 100).toPrecision(2))} %`;
  return value.toLocaleString('en-US');
}

/** A linear axis that holds the bands as well, with round steps in the unit that is printed. */
function linearTicks(most: number, unit: number): ChartOption {
  const wanted = Math.max(most, Number.MIN_VALUE) / unit / 3.5;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const interval = [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= wanted)!;
  return { interval: interval * unit, max: Math.ceil(most / unit / interval) * interval * unit };
}

function binsOf(trials: TrialSeries[], what: What, width: number): Bin[] {
  const byBin = new Map<number, number[]>();
  for (const trial of trials) {
    const own = new Map<number, number[]>();
    for (const { second, value } of perSecond(trial, what)) {
      const bin = Math.floor(second / width);
      own.set(bin, [...(own.get(bin) ?? []), value]);
    }
    // of one trial: the worst p99 and the mean of everything else, then across trials
    for (const [bin, values] of own) {
      const one =
        what === 'p99Us' ? Math.max(...values) : values.reduce((a, b) => a + b, 0) / values.length;
      byBin.set(bin, [...(byBin.get(bin) ?? []), one]);
    }
  }
  return [...byBin]
    .sort(([x], [y]) => x - y)
    .map(([bin, values]) => ({
      second: bin * width,
      least: Math.min(...values),
      middle: quantile(values, 0.5),
      most: Math.max(...values),
    }));
}

function bandAndLine(
  { subject, index }: SubjectSeries,
  bins: Bin[],
  panel: number,
  scale: (value: number) => number,
): ChartOption[] {
  const axes = { xAxisIndex: panel, yAxisIndex: panel };
  const tint = seriesColour(index);
  const band = [
    ...bins.map(({ second, most }) => [second, scale(most)]),
    ...bins.toReversed().map(({ second, least }) => [second, scale(least)]),
  ];
  return [
    {
      ...axes,
      type: 'custom',
      silent: true,
      clip: true,
      data: [[0, 0]],
      renderItem: (_: unknown, api: { coord(at: number[]): number[] }) => ({
        type: 'polygon',
        shape: { points: band.map((point) => api.coord(point)) },
        style: { fill: tint, opacity: 0.16 },
      }),
    },
    {
      ...axes,
      type: 'line',
      symbol: 'none',
      silent: true,
      data: bins.map(({ second, middle }) => [second, scale(middle)]),
      lineStyle: {
        color: tint,
        width: 1.6,
        type: subject.role === 'control' ? 'dashed' : 'solid',
      },
    },
  ];
}

interface Silence {
  subject: string;
  trial: string;
  second: number;
}

const MAX_SILENCES = 40;

/** Seconds in which nothing at all was answered: the worst stalls, and they have no p99. */
function silencesOf(all: SubjectSeries[]): Silence[] {
  return all.flatMap(({ subject, trials }) =>
    trials.flatMap((trial) =>
      perSecond(trial, 'answered')
        .filter(({ value }) => value === 0)
        .map(({ second }) => ({ subject: subjectName(subject), trial: trial.name, second })),
    ),
  );
}

function silentWords(silences: Silence[]): string {
  if (silences.length === 0) return '';
  const counts = new Map<string, number>();
  for (const { subject } of silences) counts.set(subject, (counts.get(subject) ?? 0) + 1);
  const shown = silences.length > MAX_SILENCES ? `, the first ${MAX_SILENCES} in the table` : '';
  return ` Seconds without any answer (triangles): ${[...counts].map(([name, n]) => `${name} ${n}`).join(', ')}${shown}.`;
}

/** One triangle at the foot of each second in which at least one trial had no answer. */
function silenceMarks(silences: Silence[], panel: number, seconds: number): ChartOption[] {
  const at = [...new Set(silences.map(({ second }) => second))].filter((each) => each <= seconds);
  if (at.length === 0) return [];
  return [
    {
      type: 'scatter',
      xAxisIndex: panel,
      yAxisIndex: panel,
      silent: true,
      symbol: 'triangle',
      symbolSize: 9,
      itemStyle: { color: colour('alert') },
      data: at.map((second) => [second, 0]),
    },
  ];
}

const STALL_TIMES = 5;
const MAX_STALLS = 6;

/** The seconds that stand out most from their own trial. */
function stallsOf(all: SubjectSeries[]): Stall[] {
  const found = all.flatMap((series) =>
    series.trials.flatMap((trial): Stall[] => {
      const seconds = perSecond(trial, 'p99Us');
      if (seconds.length < 3) return [];
      const median = quantile(
        seconds.map(({ value }) => value),
        0.5,
      );
      const worst = seconds.reduce((a, b) => (b.value > a.value ? b : a));
      const times = worst.value / median;
      return times > STALL_TIMES
        ? [{ series, trial: trial.name, second: worst.second, us: worst.value, times }]
        : [];
    }),
  );
  return found.sort((a, b) => b.times - a.times).slice(0, MAX_STALLS);
}

function stallWords({ series, trial, second, us }: Stall): string {
  return `${subjectName(series.subject)} ${trial} at ${second} s, ${formatValue(us, 'us')}`;
}

function marksOf(stalls: Stall[], panel: number, scale: (us: number) => number): ChartOption[] {
  if (stalls.length === 0) return [];
  return [
    {
      type: 'scatter',
      xAxisIndex: panel,
      yAxisIndex: panel,
      silent: true,
      symbol: 'circle',
      symbolSize: 10,
      itemStyle: { color: 'none', borderColor: colour('alert'), borderWidth: 2 },
      data: stalls.map((stall, i) => ({
        value: [stall.second, scale(stall.us)],
        label: {
          show: i === 0, // one name; the others are in the table behind the picture
          position: 'right',
          formatter: `${subjectName(stall.series.subject)}, ${stall.trial}: ${formatValue(stall.us, 'us')}`,
          color: colour('alert'),
          backgroundColor: colour('paper'),
          padding: [1, 4],
          fontSize: 12,
        },
      })),
    },
  ];
}
