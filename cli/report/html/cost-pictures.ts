/** Memory as the host charges it and as the guest sees it; storage shared and per instance. */
import { isUnavailable } from '../../record/measured.ts';
import type { Comparison } from '../model.ts';
import { formatValue } from '../units.ts';
import { subjectName } from '../wording.ts';
import { type ChartOption, label, valueAxis } from './chart.ts';
import { colour, phaseColour } from './colours.ts';
import { HALF, type Picture } from './pictures.ts';

const MEMORY = [
  ['memory-ready', 'working set, ready + 1 s'],
  ['memory-end', 'working set, end of load'],
  ['memory-unreclaimable', 'unreclaimable, end of load'],
  ['memory-guest', 'used inside the guest'],
] as const;
const STORAGE = [
  ['storage-shared', 'shared base'],
  ['storage-marginal', 'per instance'],
] as const;

export function memoryPicture(comparison: Comparison): Picture | null {
  return barPicture(comparison, {
    id: 'memory',
    title: 'Memory, charged by the host and seen by the guest',
    parts: MEMORY,
    stacked: false,
    caption:
      'Median of the trials in MiB. The host charges a machine for all that it holds; what is used inside is a part of it.',
    source: 'resources.edges (ready + 1 s, end of the window) of each trial',
  });
}

export function storagePicture(comparison: Comparison): Picture | null {
  return barPicture(comparison, {
    id: 'storage',
    title: 'Storage, shared and per instance',
    parts: STORAGE,
    stacked: true,
    caption:
      'Median of the trials, allocated bytes. The shared base is paid once, however many instances run; the rest for each.',
    source: 'storage.parts[].allocatedBytes of each trial',
  });
}

interface BarOptions {
  id: string;
  title: string;
  parts: ReadonlyArray<readonly [metricId: string, name: string]>;
  stacked: boolean;
  caption: string;
  source: string;
}

function barPicture(comparison: Comparison, options: BarOptions): Picture | null {
  const { id, title, parts, stacked, caption, source } = options;
  const { subjects, metrics } = comparison;
  const medianOf = (metricId: string, subject: string): number | null => {
    const metric = metrics.find((each) => each.id === metricId);
    return metric?.subjects.find((each) => each.label === subject)?.summary?.median ?? null;
  };
  const rows = parts.map(([metricId, name], i) => ({
    name,
    index: i,
    values: subjects.map((subject) => medianOf(metricId, subject.label)),
  }));
  const known = rows.flatMap(({ values }) => values.filter((value) => value !== null));
  if (known.length === 0) return null;
  const names = subjects.map(subjectName);
  const n = [...new Set(subjects.map(({ trials }) => trials))].join(', ');
  const bar = stacked ? 26 : 12;
  return {
    id,
    title,
    caption: `${caption} ${n} ${n === '1' ? 'trial' : 'trials'} each.`,
    source,
    size: { ...HALF, height: 60 + subjects.length * (stacked ? 48 : parts.length * 16 + 18) },
    legend: rows.map(({ name, index }) => ({ className: `phase p${index}`, text: name })),
    alternative: `Bar chart. ${subjects
      .map(
        (subject, s) =>
          `${subjectName(subject)}: ${rows
            .flatMap(({ name, values }) =>
              values[s] === null ? [] : [`${name} ${formatValue(values[s]!, 'bytes')}`],
            )
            .join(', ')}`,
      )
      .join('; ')}.`,
    option: {
      grid: { left: 110, right: 84, top: 6, bottom: 30 },
      xAxis: valueAxis('', {
        min: 0,
        splitNumber: 4,
        axisLabel: {
          ...label,
          formatter: (value: number) => formatValue(value, 'bytes').replace(/\.\d+(?= )/, ''),
        },
        ...niceBytes(known, stacked ? rows.map(({ values }) => values) : null),
      }),
      yAxis: {
        type: 'category',
        inverse: true,
        data: names,
        axisLabel: { ...label, color: colour('ink'), width: 100, overflow: 'truncate' },
        axisTick: { show: false },
        axisLine: { show: false },
      },
      series: rows.map(
        ({ name, values, index }): ChartOption => ({
          type: 'bar',
          name,
          silent: true,
          barWidth: bar,
          barGap: '25%',
          ...(stacked ? { stack: 'all' } : {}),
          itemStyle: { color: phaseColour(index) },
          data: values.map((value) => value ?? 0),
          label: {
            show: !stacked || index === rows.length - 1,
            position: 'right',
            fontSize: 11,
            color: colour('muted'),
            formatter: ({ dataIndex }: { dataIndex: number }) =>
              stacked ? totalWords(rows, dataIndex) : barWords(values[dataIndex] ?? null),
          },
        }),
      ),
    },
    data: {
      head: ['Target', ...rows.map(({ name }) => `${name} (MiB)`)],
      rows: subjects.map((subject, s) => [
        subjectName(subject),
        ...rows.map(({ values }, r) => cell(comparison, parts[r]![0], subject.label, values[s]!)),
      ]),
    },
  };
}

function barWords(value: number | null): string {
  return value === null ? '' : formatValue(value, 'bytes');
}

function totalWords(rows: Array<{ values: Array<number | null> }>, at: number): string {
  const values = rows.map(({ values }) => values[at] ?? null);
  // a sum without one of its parts would be too small
  if (values.some((value) => value === null)) return 'incomplete';
  return formatValue(
    values.reduce<number>((sum, value) => sum + value!, 0),
    'bytes',
  );
}

function cell(
  { metrics, trials }: Comparison,
  metricId: string,
  subject: string,
  value: number | null,
): string {
  if (value !== null) return (value / 2 ** 20).toFixed(3);
  const reasons = metrics
    .find(({ id }) => id === metricId)
    ?.subjects.find((each) => each.label === subject)?.unavailable;
  if (reasons !== undefined && reasons.length > 0) return `unavailable: ${reasons.join('; ')}`;
  const absent = trials.every(({ values }) => !isUnavailable(values[metricId]));
  return absent ? 'does not apply' : 'unavailable';
}

function niceBytes(known: number[], stacked: Array<Array<number | null>> | null): ChartOption {
  const most =
    stacked === null
      ? Math.max(...known)
      : Math.max(
          ...stacked[0]!.map((_, s) => stacked.reduce((sum, values) => sum + (values[s] ?? 0), 0)),
        );
  const steps = [1, 4, 16, 64, 256, 1024].flatMap((kib) => [kib * 1024, 2 * kib * 1024]);
  const larger = [5, 10, 20, 50, 100, 128, 200, 256, 512, 1024, 2048, 4096].map((m) => m * 2 ** 20);
  const interval = [...steps, ...larger].find((step) => most / step <= 5) ?? 8 * 2 ** 30;
  return { interval, max: Math.ceil((most * 1.001) / interval) * interval };
}
