/** `compare`: from files to a comparison and the text to print. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { BENCH_FILE, benchFolder, isBenchFile, readBench } from '../bench/folder.ts';
import { isScratchpadError, ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import type { AnyRecord } from '../record/schema.ts';
import { listRecordFiles, readRecord, recordFile, writeText } from '../record/store.ts';
import { evaluateGates, parseGate } from './gates.ts';
import { buildComparison, type Comparison } from './model.ts';
import { type Format, renderComparison } from './render.ts';

export interface CompareFlags {
  format: Format;
  baseline?: string | undefined;
  control?: string | undefined;
  'fail-if'?: string[] | undefined;
  margin: string;
  force: boolean;
  out?: string | undefined;
}

export interface CompareResult {
  comparison: Comparison;
  text: string;
  writtenTo: string | null;
  failure: ScratchpadError | null;
}

export async function runCompare(request: {
  files: string[];
  flags: CompareFlags;
  stdout: { isTTY: boolean; columns: number | undefined };
}): Promise<CompareResult> {
  const { flags, stdout } = request;
  const gates = (flags['fail-if'] ?? []).map(parseGate);
  const margin = parseMargin(flags.margin);
  const files = request.files.length > 0 ? request.files : newest();
  const sources = files.map(readAny);
  const baseline = flags.baseline === undefined ? null : readAny(flags.baseline);
  const control = flags.control === undefined ? null : readAny(flags.control);
  const read = [...sources, ...[baseline, control].filter((each) => each !== null)];
  const comparison = buildComparison(
    sources.flatMap(({ records }) => records),
    {
      margin,
      force: flags.force,
      ...(baseline === null ? {} : { baseline: baseline.records }),
      ...(control === null ? {} : { control: control.records }),
      origins: (record) => read.find(({ origins }) => origins.has(record))?.origins.get(record),
    },
  );
  const results = evaluateGates(gates, comparison);
  if (results.length > 0) comparison.gates = results;
  const text = await renderComparison(comparison, flags.format, {
    color: stdout.isTTY && !process.env['NO_COLOR'] && flags.out === undefined,
    width: stdout.columns ?? 100,
    ...(flags.out === undefined
      ? {}
      : { linkTo: linksFrom(flags.out, baseline === null ? sources : [...sources, baseline]) }),
  });
  if (flags.out !== undefined) writeText(flags.out, text.endsWith('\n') ? text : `${text}\n`);
  const failed = results.filter(({ passed }) => !passed);
  return {
    comparison,
    text,
    writtenTo: flags.out ?? null,
    failure:
      failed.length === 0
        ? null
        : new ScratchpadError(
            'REGRESSION',
            `Worse than allowed: ${failed.map(({ expression, detail }) => `${expression} (${detail})`).join(', ')}`,
            { hint: 'The whole interval lies beyond the limit: see the figures above.' },
          ),
  };
}

export interface Source {
  records: AnyRecord[];
  /** Where each record was read from: by the record itself, as two files may hold records of one id. */
  origins: Map<AnyRecord, string>;
}

/** A record file, or a bench (its folder or its bench.json) with all of its trials. */
export function readAny(path: string): Source {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (!isFolder) {
    const record = readRecord(path);
    if (record.kind !== 'bench') {
      return {
        records: [record],
        origins: new Map([[record, path]]),
      };
    }
  }
  const { bench, trials } = readBench(path);
  const fileOf = (name: string) => recordFile(join(benchFolder(path), name));
  return {
    records: [bench, ...trials],
    origins: new Map<AnyRecord, string>([
      [bench, fileOf(BENCH_FILE)],
      ...trials.map((trial, i): [AnyRecord, string] => [trial, fileOf(bench.trials[i]!)]),
    ]),
  };
}

/** Relative links from a page at `out` to the records that it was made from. */
export function linksFrom(
  out: string,
  sources: readonly Source[],
): (recordId: string) => string | null {
  const folder = dirname(resolve(out));
  const files = new Map(
    sources.flatMap(({ origins }) => [...origins].map(([{ id }, file]) => [id, file])),
  );
  return (recordId) => {
    const file = files.get(recordId);
    if (file === undefined) return null;
    const parts = relative(folder, resolve(file)).split(sep);
    // `./` keeps a name like "a:b.json" from being read as an address
    return `./${parts.map(encodeURIComponent).join('/')}`;
  };
}

/**
 * Where nothing is named: the newest bench if it is newer than every load, else the newest load of
 * each target.
 */
function newest(): string[] {
  const folder = resultsFolder();
  const files = listRecordFiles(folder);
  const first = files.find((file) => !isBenchFile(file) || hasTrials(file));
  if (first === undefined) {
    throw new ScratchpadError('RECORD_NOT_FOUND', `There are no records in ${folder}`, {
      hint: 'Make some: `scratchpad bench --quick`, or `scratchpad load bare --duration 10`.',
    });
  }
  if (isBenchFile(first)) return [first];
  const chosen = new Map<string, string>();
  let kind: string | null = null;
  for (const file of files) {
    if (isBenchFile(file)) continue;
    const record = readIfOurs(file);
    if (record === null || (record.kind !== 'load' && record.kind !== 'probe')) continue;
    kind ??= record.kind;
    const key = `${record.target.name}/${record.target.provider}/${record.target.runtime}`;
    if (record.kind === kind && !chosen.has(key)) chosen.set(key, file);
  }
  if (chosen.size > 0) return [...chosen.values()].reverse();
  throw new ScratchpadError('RECORD_NOT_FOUND', `There are no records of ours in ${folder}`, {
    hint: 'Name the files to compare, or make some: `scratchpad bench --quick`.',
  });
}

/** False for a bench that was interrupted before its first trial: there is nothing to read yet. */
export function hasTrials(benchFile: string): boolean {
  const record = readIfOurs(benchFile);
  return record === null || record.kind !== 'bench' || record.trials.length > 0;
}

/** While looking around, a file of another program is passed over; one that was named is refused. */
function readIfOurs(file: string): AnyRecord | null {
  try {
    return readRecord(file);
  } catch (error) {
    if (isScratchpadError(error)) return null;
    throw error;
  }
}

function parseMargin(text: string): number {
  const margin = Number(text);
  if (margin > 0 && margin < 1) return margin;
  throw new ScratchpadError('BAD_FLAG', `--margin ${text} is not a share between 0 and 1`, {
    hint: 'Write e.g. --margin 0.05 for 5 %.',
  });
}
