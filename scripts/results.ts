/**
 * Keeps a finished bench in the repository and makes README.md show it.
 *
 *     npm run results -- results/bench-20261124T031500Z-1f2e [--slug NAME]
 *     npm run results            # only the generated parts of README.md, anew
 *
 * The bench goes to docs/results/DATE-SLUG/: raw records compressed (the same bytes each time), the
 * report as a page and as Markdown, figures.csv and the picture.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { constants, gzipSync } from 'node:zlib';
import { benchFolder, readBench } from '../cli/bench/folder.ts';
import { distinctLabels } from '../cli/bench/plan.ts';
import { recordFile } from '../cli/record/store.ts';
import { readAny } from '../cli/report/command.ts';
import { buildComparison } from '../cli/report/model.ts';
import { writeReport } from '../cli/report/write-report.ts';
import { commandTable, type Manifest, replaceSection } from './readme-sections.ts';
import { NO_RESULTS, resultsSection } from './results-section.ts';

const KEPT = join('docs', 'results');

/**
 * Copies the bench into `root`/docs/results and returns its new folder.
 * @throws Error where the bench is not finished, or is there already; what readBench throws
 */
export async function keepBench(root: string, source: string, slug?: string): Promise<string> {
  const { bench } = readBench(source);
  if (bench.interrupted || bench.roundsDone === 0) {
    throw new Error(
      `the bench is not finished: go on with \`scratchpad bench --resume ${source}\``,
    );
  }
  const targets = distinctLabels(bench.targets).join('-');
  const name = `${bench.startedAt.slice(0, 10)}-${slug ?? targets}${bench.quick ? '-quick' : ''}`;
  if (!/^[a-z0-9-]+$/i.test(name))
    throw new Error(`${name} is not a name for a folder: use --slug`);
  const folder = join(root, KEPT, name);
  if (existsSync(folder)) throw new Error(`${folder} is there already: remove it, or use --slug`);
  try {
    mkdirSync(folder, { recursive: true });
    for (const file of ['bench.json', ...bench.trials]) {
      writeFileSync(join(folder, `${file}.gz`), compressed(join(benchFolder(source), file)));
    }
    await writeReport(folder);
    // drawn by whatever browser is there, if one is: not the same bytes everywhere
    rmSync(join(folder, 'summary.png'), { force: true });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/** What unpacks is the record as it was written, byte by byte. */
function compressed(file: string): Buffer {
  const stored = recordFile(file);
  const bytes = readFileSync(stored);
  if (stored !== file) return bytes; // it was kept before
  const packed = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
  packed.fill(0, 4, 8); // no time of modification
  packed[9] = 255; // no operating system
  return packed;
}

/** The kept bench that began last; null where there is none. */
export function newestKept(root: string): string | null {
  const folder = join(root, KEPT);
  const benches = existsSync(folder)
    ? readdirSync(folder)
        .map((name) => join(folder, name))
        .filter((each) => existsSync(join(each, 'bench.json.gz')))
        .map((each) => ({ each, startedAt: Date.parse(readBench(each).bench.startedAt) }))
        .sort((a, b) => b.startedAt - a.startedAt)
    : [];
  return benches[0]?.each ?? null;
}

/** README.md with its generated parts made anew from `root`. */
export function renderedReadme(root: string): string {
  const newest = newestKept(root);
  const results =
    newest === null
      ? NO_RESULTS
      : resultsSection(
          buildComparison(readAny(newest).records),
          relative(root, newest).split(sep).join('/'),
          existsSync(join(newest, 'summary.svg')),
        );
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) as Manifest;
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  return replaceSection(
    replaceSection(readme, 'latest results', results),
    'commands',
    commandTable(manifest),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const { values, positionals } = parseArgs({
    options: { slug: { type: 'string' } },
    allowPositionals: true,
  });
  try {
    const [bench] = positionals;
    if (bench !== undefined) {
      console.log(relative(root, await keepBench(root, bench, values.slug)));
    }
    writeFileSync(join(root, 'README.md'), renderedReadme(root));
    console.log('README.md');
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
