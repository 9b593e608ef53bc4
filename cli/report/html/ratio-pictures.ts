/** The verdicts as a picture: paired ratios with intervals, the margin and the A/A noise floor. */
import type { Comparison, MetricResult, PairResult } from '../model.ts';
import { formatAway, formatInterval, formatPercent, ratioDigits } from '../units.ts';
import { nameOf, verdictWords } from '../wording.ts';
import { label, valueAxis } from './chart.ts';
import { colour, seriesColour } from './colours.ts';
import type { Picture } from './pictures.ts';

interface ItemApi {
  value(dimension: number): number;
  coord(at: [number, number]): [number, number];
}

interface Row {
  metric: MetricResult;
  pair: PairResult;
  ratio: number;
  interval: [number, number];
}

const TICKS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2,
  1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000,
];

/** The axis reaches at most this factor beyond the ratios themselves. */
const BEYOND = 30;

/** One picture for each pair of subjects, the primary metrics in it. */
export function ratioPictures(comparison: Comparison): Picture[] {
  const pairs = new Map<string, Row[]>();
  for (const metric of comparison.metrics) {
    if (metric.role !== 'primary') continue;
    for (const pair of metric.pairs) {
      if (pair.ratio === null) continue;
      const key = `${pair.a} ÷ ${pair.b}`;
      const interval = pair.interval95 ?? ([pair.ratio, pair.ratio] as [number, number]);
      pairs.set(key, [...(pairs.get(key) ?? []), { metric, pair, ratio: pair.ratio, interval }]);
    }
  }
  return [...pairs.values()].map((rows, i) => ratioPicture(rows, i, comparison));
}

function ratioPicture(rows: Row[], index: number, comparison: Comparison): Picture {
  const { margin, subjects } = comparison;
  const { a, b, n } = rows[0]!.pair;
  const title = `${nameOf(a, comparison)} ÷ ${nameOf(b, comparison)}`;
  const colourOfA = seriesColour(subjects.findIndex(({ label: each }) => each === a));
  const floors = rows.map(({ pair }) => pair.noiseFloorRatio ?? 1);
  const ratios = rows.map(({ ratio }) => ratio);
  const ends = rows.flatMap(({ interval }) => interval);
  const floorEnds = floors.flatMap((floor) => [floor, 1 / floor]);
  const around = [1 / (1 + 2 * margin), 1 + 2 * margin, ...ratios];
  // one interval of a few wild rounds may span decades, and would press all others into a line
  const least = Math.max(Math.min(...around, ...ends, ...floorEnds), Math.min(...around) / BEYOND);
  const most = Math.min(Math.max(...around, ...ends, ...floorEnds), Math.max(...around) * BEYOND);
  const isCut = Math.min(...ends) < least || Math.max(...ends) > most;
  const pad = (most / least) ** 0.04;
  const range: [number, number] = [Math.log(least / pad), Math.log(most * pad)];
  const hasFloor = floors.some((floor) => floor > 1);
  return {
    id: `ratio-${index}`,
    title,
    caption: `Ratio of paired rounds with its 95 % interval, log axis; up to ${n} rounds. Band: the margin of ±${formatPercent(margin)}${hasFloor ? '; grey bar: the noise floor of two identical deployments' : ''}. Filled: a claimed difference.${isCut ? ' A line without an end mark goes on beyond the axis.' : ''}`,
    source: `the ratios of the trials of each round (${rows[0]!.pair.method === 'signed-rank' ? 'Hodges–Lehmann, exact signed-rank interval' : 'their mean on the log scale, paired t interval'})`,
    size: { width: 620, height: 52 + 36 * rows.length },
    alternative: rows
      .map(
        ({ metric, pair, ratio, interval }) =>
          `${metric.name}: ${ratioDigits(ratio)} ${formatInterval(interval)}, ${verdictWords(pair, margin)}`,
      )
      .join('; '),
    option: {
      grid: { left: 172, right: 150, top: 8, bottom: 30 },
      xAxis: valueAxis('', {
        min: range[0],
        max: range[1],
        interval: 1e9,
        axisTick: {
          show: true,
          customValues: ticksWithin(range),
          lineStyle: { color: colour('grid') },
        },
        axisLabel: {
          ...label,
          customValues: ticksWithin(range),
          formatter: (value: number) => `${Number(Math.exp(value).toPrecision(3))}×`,
        },
        splitLine: { show: false },
      }),
      yAxis: [
        {
          type: 'category',
          inverse: true,
          data: rows.map(({ metric }) => metric.name),
          axisLabel: { ...label, color: colour('ink') },
          axisTick: { show: false },
          axisLine: { show: false },
        },
        {
          type: 'category',
          inverse: true,
          position: 'right',
          data: rows.map(({ ratio, interval, pair }) =>
            pair.interval95 === null
              ? ratioDigits(ratio)
              : `${ratioDigits(ratio)} ${formatInterval(interval)}`,
          ),
          axisLabel: { ...label, color: colour('ink') },
          axisTick: { show: false },
          axisLine: { show: false },
        },
      ],
      series: [
        {
          type: 'custom',
          silent: true,
          encode: { x: 1, y: 0 },
          data: rows.map((row, i) => [i, Math.log(row.ratio)]),
          markArea: {
            silent: true,
            itemStyle: { color: colour('band'), opacity: 1 },
            data: [[{ xAxis: -Math.log1p(margin) }, { xAxis: Math.log1p(margin) }]],
          },
          markLine: {
            silent: true,
            symbol: 'none',
            label: { show: false },
            lineStyle: { color: colour('muted'), type: 'solid', width: 1 },
            data: [{ xAxis: 0 }],
          },
          renderItem: (_: unknown, api: ItemApi) =>
            renderRow(rows[api.value(0)]!, colourOfA, [least, most], api),
        },
      ],
    },
    data: {
      head: ['Metric', 'Ratio', '95 % interval', 'Noise floor', 'Verdict'],
      rows: rows.map(({ metric, pair, ratio }) => [
        metric.name,
        ratioDigits(ratio),
        pair.interval95 === null ? 'none' : formatInterval(pair.interval95),
        floorWords(metric, pair),
        verdictWords(pair, margin),
      ]),
    },
  };
}

function floorWords({ control }: MetricResult, { noiseFloorRatio }: PairResult): string {
  if (noiseFloorRatio !== null) return formatAway(noiseFloorRatio);
  return control === null ? 'no control' : 'not established';
}

function renderRow(
  { ratio, interval, pair }: Row,
  fill: string,
  [least, most]: [number, number],
  api: ItemApi,
) {
  const row = api.value(0);
  const at = (value: number) => api.coord([Math.log(Math.min(most, Math.max(least, value))), row]);
  const [x, y] = at(ratio);
  const [from] = at(interval[0]);
  const [to] = at(interval[1]);
  const floor = pair.noiseFloorRatio ?? 1;
  const [floorFrom] = at(1 / floor);
  const [floorTo] = at(floor);
  return {
    type: 'group',
    children: [
      {
        type: 'rect',
        shape: { x: floorFrom, y: y - 9, width: floorTo - floorFrom, height: 18 },
        style: { fill: colour('floor'), opacity: 0.55 },
      },
      {
        type: 'line',
        shape: { x1: from, y1: y, x2: to, y2: y },
        style: { stroke: fill, lineWidth: 3, lineCap: 'round' },
      },
      ...interval
        .filter((end) => end >= least && end <= most)
        .map((end) => at(end)[0])
        .map((end) => ({
          type: 'line',
          shape: { x1: end, y1: y - 5, x2: end, y2: y + 5 },
          style: { stroke: fill, lineWidth: 2 },
        })),
      {
        type: 'circle',
        shape: { cx: x, cy: y, r: 5.5 },
        style: { fill: pair.claimed ? fill : colour('paper'), stroke: fill, lineWidth: 2 },
      },
    ],
  };
}

/** ln of the ticks inside the range, at most seven, 1 always among them. */
function ticksWithin([from, to]: [number, number]): number[] {
  const inside = TICKS.map(Math.log).filter((tick) => tick >= from && tick <= to);
  // ticks closer than a seventh of the axis would print over each other: 0.001× is 44 px wide
  const apart = (to - from) / 7;
  const kept: number[] = [0];
  for (const tick of inside.toSorted((x, y) => Math.abs(x) - Math.abs(y))) {
    if (kept.every((other) => Math.abs(other - tick) >= apart)) kept.push(tick);
  }
  return kept.sort((x, y) => x - y);
}
