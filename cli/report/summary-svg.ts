/**
 * One small picture for a README or a pull request: the question, the ratios with their intervals,
 * and what limits them. It stands alone and follows the reader's theme.
 */
import { drawChart } from './html/chart.ts';
import { ratioPictures } from './html/ratio-pictures.ts';
import { DARK, LIGHT } from './html/style.ts';
import type { Comparison } from './model.ts';
import { htmlText } from './text.ts';
import { wrapText } from './wrap.ts';

const WIDTH = 660;
const LINE = 18;

/** Null where nothing was compared. */
export function renderSummarySvg(comparison: Comparison): string | null {
  const pictures = ratioPictures(comparison).slice(0, 2);
  if (pictures.length === 0) return null;
  const parts: string[] = [];
  let y = 30;
  const text = (line: string, size: number, weight: number, colour: string) => {
    parts.push(
      `<text x="20" y="${y}" font-size="${size}" font-weight="${weight}" fill="var(--${colour})">${htmlText(line, 200)}</text>`,
    );
    y += Math.round(size * 1.4);
  };
  const lines = (words: string, perLine: number) => wrapText(words, perLine, '').split('\n');
  for (const line of lines(comparison.question, 62)) text(line, 17, 700, 'ink');
  for (const line of lines(comparison.environment.summary, 96)) text(line, 12, 400, 'muted');
  for (const banner of comparison.banners) {
    for (const line of lines(banner, 90)) text(line, 12, 600, 'alert');
  }
  y += LINE / 2;
  for (const { title, option, size, alternative } of pictures) {
    text(title, 14, 700, 'ink');
    const chart = drawChart(option!, size, alternative).text.replace(
      '<svg ',
      `<svg x="20" y="${y - 10}" `,
    );
    parts.push(chart);
    y += size.height + 8;
  }
  const words = pictures.map(({ title, alternative }) => `${title}: ${alternative}`).join('. ');
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${htmlText(words, 3000)}" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"><style>:root{${LIGHT}}@media (prefers-color-scheme:dark){:root{${DARK}}}</style><rect width="100%" height="100%" fill="var(--paper)"/>${parts.join('')}</svg>
`;
}
