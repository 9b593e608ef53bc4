/** `report`: the page of a bench beside its records, and the index of all benches of its folder. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { benchFolder, isBenchFile } from '../bench/folder.ts';
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { isUnavailable } from '../record/measured.ts';
import { listRecordFiles, recordFile, writeText } from '../record/store.ts';
import { hasTrials, linksFrom, readAny } from './command.ts';
import { renderHtml } from './html/page.ts';
import { type IndexEntry, renderIndex, type UnreadableEntry } from './index-page.ts';
import { buildComparison } from './model.ts';
import { writePng } from './png.ts';
import { renderComparison } from './render.ts';
import { renderSummarySvg } from './summary-svg.ts';

const REPORT_FILE = 'report.html';
const INDEX_FILE = 'index.html';

export interface ReportResult {
  report: string;
  index: string;
  /** What else was written beside the report: Markdown, CSV, the summary as SVG and PNG. */
  files: string[];
  /** Why there is no PNG; null where there is one. */
  noPng: string | null;
  /** False where no program could be found that opens a page. */
  opened: boolean;
}

/**
 * Writes `report.html`, `report.md`, `figures.csv`, `summary.svg` and, with a browser on the host,
 * `summary.png` into the bench's folder, and `index.html` into the folder of benches.
 *
 * @param bench a bench's folder or its bench.json; the newest bench where it is undefined
 * @throws ScratchpadError RECORD_NOT_FOUND, RECORD_UNREADABLE, RECORD_FOREIGN,
 *   RECORDS_NOT_COMPARABLE, OUTPUT_UNWRITABLE
 */
export async function runReport({
  bench,
  open = false,
}: {
  bench?: string | undefined;
  open?: boolean;
}): Promise<ReportResult> {
  const written = await writeReport(bench ?? newestBench());
  const index = writeIndex(dirname(dirname(written.report)));
  return { ...written, index, opened: open && (await openPage(written.report)) };
}

/** The report of one bench in its own folder, without the index. */
export async function writeReport(
  bench: string,
): Promise<Pick<ReportResult, 'report' | 'files' | 'noPng'>> {
  const source = readAny(bench);
  const folder = resolve(benchFolder(bench));
  const comparison = buildComparison(source.records);
  const plain = { color: false, width: 100 };
  const files: string[] = [];
  const put = (name: string, text: string) => {
    const file = join(folder, name);
    writeText(file, text);
    files.push(file);
    return file;
  };
  const report = join(folder, REPORT_FILE);
  writeText(report, renderHtml(comparison, { linkTo: linksFrom(report, [source]) }));
  put('figures.csv', renderComparison(comparison, 'csv', plain));
  const svg = renderSummarySvg(comparison);
  const picture = svg === null ? undefined : './summary.svg';
  put(
    'report.md',
    renderComparison(comparison, 'markdown', { ...plain, ...(picture ? { picture } : {}) }),
  );
  if (svg === null) return { report, files, noPng: 'nothing was compared' };
  const svgFile = put('summary.svg', svg);
  const png = await writePng(svgFile, svg, join(folder, 'summary.png'));
  if (isUnavailable(png)) return { report, files, noPng: png.unavailable };
  return { report, files: [...files, png as string], noPng: null };
}

/** The index of all benches in `folder`; returns its file. One that cannot be read is named. */
export function writeIndex(folder: string): string {
  const entries: IndexEntry[] = [];
  const unreadable: UnreadableEntry[] = [];
  for (const name of readdirSync(folder).sort()) {
    const bench = join(folder, name);
    const benchFile = recordFile(join(bench, 'bench.json'));
    if (!existsSync(benchFile)) continue;
    try {
      const comparison = buildComparison(readAny(bench).records);
      const report = join(bench, REPORT_FILE);
      entries.push({
        comparison,
        reportHref: existsSync(report) ? hrefOf(folder, report) : null,
        folderHref: hrefOf(folder, benchFile),
      });
    } catch (error) {
      if (!isScratchpadError(error)) throw error;
      unreadable.push({ name, reason: error.message });
    }
  }
  const file = join(folder, INDEX_FILE);
  writeText(file, renderIndex(entries, unreadable));
  return file;
}

function hrefOf(folder: string, file: string): string {
  return `./${relative(folder, file).split(/[\\/]/).map(encodeURIComponent).join('/')}`;
}

function newestBench(): string {
  const folder = resultsFolder();
  const file = listRecordFiles(folder).find((each) => isBenchFile(each) && hasTrials(each));
  if (file !== undefined) return file;
  throw new ScratchpadError('RECORD_NOT_FOUND', `There is no bench in ${folder}`, {
    hint: 'Run one: `scratchpad bench --quick`. Single records: `scratchpad compare --format html`.',
  });
}

/** Hands the page to the desktop; false where there is none. */
async function openPage(file: string): Promise<boolean> {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', file]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', file]
        : ['xdg-open', file];
  const headless =
    process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'];
  if (headless) return false;
  const child = spawn(command!, args, { stdio: 'ignore', detached: true });
  child.unref();
  return new Promise((resolve) => {
    child.once('spawn', () => resolve(true));
    child.once('error', () => resolve(false)); // no such program: the path is printed in any case
  });
}
