/**
 * ECharts on the server: SVG without a DOM, then made fit for a page with a strict policy (no style
 * attributes, no style elements) and for any theme (CSS variables for colours).
 */
import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  MarkPointComponent,
  TitleComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { htmlText } from '../text.ts';
import { colour, withVariables } from './colours.ts';
import { type Markup, trusted } from './markup.ts';

echarts.use([
  BarChart,
  CustomChart,
  LineChart,
  ScatterChart,
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  MarkPointComponent,
  TitleComponent,
  SVGRenderer,
]);

export const FONT = 'system-ui, sans-serif';

// biome-ignore lint/suspicious/noExplicitAny: ECharts' own option types do not cover custom series
export type ChartOption = Record<string, any>;

export interface ChartSize {
  width: number;
  height: number;
}

/** `alternative` says in words what the picture shows. */
export function drawChart(option: ChartOption, size: ChartSize, alternative: string): Markup {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT }, ...option });
    return trusted(clean(chart.renderToSVGString(), size, alternative));
  } finally {
    // without it a timer of the renderer keeps the process alive
    chart.dispose();
  }
}

/** Attributes that hold coordinates. What is printed as text must keep all of its digits. */
const GEOMETRY = / (d|points|transform|x|y|cx|cy|r|x1|x2|y1|y2|width|height)="([^"]*)"/g;

/** A hundredth of a pixel is enough; what the renderer writes would double the page. */
function rounded(geometry: string): string {
  return geometry.replace(/(\d+\.\d{2})\d+/g, '$1');
}

function clean(svg: string, { width, height }: ChartSize, alternative: string): string {
  const body = svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<\/svg>\s*$/, '')
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/<rect [^>]*fill="none"[^>]*><\/rect>/, '')
    .replace(/ (?:class|ecmeta_[a-z_]+|pointer-events)="[^"]*"/g, '')
    .replace(/ style="([^"]*)"/g, (_, style: string) => presentation(style))
    .replace(GEOMETRY, (_, name: string, value: string) => ` ${name}="${rounded(value)}"`)
    .replace(/><\/(path|rect|circle|polyline|polygon|ellipse|line)>/g, '/>')
    .replace(/\n/g, '');
  return `<svg role="img" aria-label="${htmlText(alternative, 2000)}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${withVariables(body)}</svg>`;
}

/** A style attribute as presentation attributes, which the policy allows. */
function presentation(style: string): string {
  return style
    .split(';')
    .flatMap((declaration) => {
      const [name, value] = declaration.split(/:(.*)/s).map((part) => part?.trim());
      if (!name || !value || name === 'font-family') return [];
      return [` ${name}="${value}"`];
    })
    .join('');
}

export const label = { color: colour('muted'), fontSize: 12, fontFamily: FONT };
const line = { lineStyle: { color: colour('grid') } };

/** A linear axis in the report's looks. */
export function valueAxis(name: string, extra: ChartOption = {}): ChartOption {
  return {
    type: 'value',
    name,
    nameTextStyle: label,
    nameLocation: 'end',
    axisLine: { show: true, ...line },
    axisTick: { show: false },
    axisLabel: label,
    splitLine: line,
    ...extra,
  };
}

/**
 * A logarithmic axis with ticks at 1, 2 and 5. The data must be passed through `Math.log10` first:
 * ECharts' own log axis has ticks at powers of ten only, which leaves one for 2 to 8 ms.
 */
export function logAxis(
  name: string,
  [least, most]: readonly [number, number],
  format: (value: number) => string,
  extra: ChartOption = {},
): ChartOption {
  const ticks = logTicks(least, most);
  const min = Math.min(Math.log10(least), ticks[0]!);
  const max = Math.max(Math.log10(most), ticks.at(-1)!);
  return valueAxis(name, {
    min,
    max: max === min ? min + 1 : max,
    interval: 1e9, // no ticks of its own
    axisTick: { show: true, customValues: ticks, ...line },
    axisLabel: {
      ...label,
      customValues: ticks,
      formatter: (value: number) => format(10 ** value),
    },
    splitLine: { show: false },
    ...extra,
  });
}

/** log10 of the 1-2-5 steps within [least, most], thinned to powers of ten where there are many. */
export function logTicks(least: number, most: number): number[] {
  const steps: number[] = [];
  const decades = Math.log10(most / least);
  const multiples = decades > 5 ? [1] : decades > 2.5 ? [1, 3] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const multiple of multiples) {
      const value = multiple * 10 ** power;
      if (value >= least * 0.999 && value <= most * 1.001) steps.push(Math.log10(value));
    }
  }
  return steps.length > 0 ? steps : [Math.log10(least)];
}

/** Faint lines at the ticks of a log axis, as a markLine of the first series. */
export function logGrid(axis: 'xAxis' | 'yAxis', least: number, most: number): ChartOption {
  return {
    silent: true,
    symbol: 'none',
    animation: false,
    label: { show: false },
    lineStyle: { color: colour('grid'), type: 'solid', width: 1 },
    data: logTicks(least, most).map((value) => ({ [axis]: value })),
  };
}
