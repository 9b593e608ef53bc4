/** `compare`: from files to a comparison and the text to print. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBench } from '../bench/folder.ts';
import { ScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import type { AnyRecord } from '../record/schema.ts';
import { listRecordFiles, readRecord } from '../record/store.ts';
import { evaluateGates, parseGate } from './gates.ts';
import { buildComparison, type Comparison } from './model.ts';
import { type Format, renderComparison } from './render.ts';

export interface CompareFlags {
  format: Format;
  baseline?: string | undefined;
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
  const comparison = buildComparison(files.flatMap(readAny), {
    margin,
    force: flags.force,
    ...(flags.baseline === undefined ? {} : { baseline: readAny(flags.baseline) }),
  });
  const text = await renderComparison(comparison, flags.format, {
    color: stdout.isTTY && !process.env['NO_COLOR'] && flags.out === undefined,
    width: stdout.columns ?? 100,
  });
  if (flags.out !== undefined) write(flags.out, text);
  const failed = evaluateGates(gates, comparison).filter(({ passed }) => !passed);
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
          ),
  };
}

/** A record file, or a bench (its folder or its bench.json) with all of its trials. */
function readAny(path: string): AnyRecord[] {
  if (existsSync(path) && statSync(path).isDirectory()) {
    const { bench, trials } = readBench(path);
    return [bench, ...trials];
  }
  const record = readRecord(path);
  if (record.kind !== 'bench') return [record];
  const { bench, trials } = readBench(path);
  return [bench, ...trials];
}

/**
 * Where nothing is named: the newest bench if it is newer than every load, else the newest load of
 * each target.
 */
function newest(): string[] {
  const folder = resultsFolder();
  const files = listRecordFiles(folder);
  const [first] = files;
  if (first === undefined) {
    throw new ScratchpadError('RECORD_NOT_FOUND', `There are no records in ${folder}`, {
      hint: 'Make some: `scratchpad bench --quick`, or `scratchpad load bare --duration 10`.',
    });
  }
  if (first.endsWith(join('/', 'bench.json'))) return [first];
  const { kind } = readRecord(first);
  const chosen = new Map<string, string>();
  for (const file of files) {
    if (file.endsWith(join('/', 'bench.json'))) continue;
    const record = readRecord(file);
    if (record.kind !== kind || (record.kind !== 'load' && record.kind !== 'probe')) continue;
    const key = `${record.target.name}/${record.target.provider}/${record.target.runtime}`;
    if (!chosen.has(key)) chosen.set(key, file);
  }
  return [...chosen.values()].reverse();
}

function parseMargin(text: string): number {
  const margin = Number(text);
  if (margin > 0 && margin < 1) return margin;
  throw new ScratchpadError('BAD_FLAG', `--margin ${text} is not a share between 0 and 1`, {
    hint: 'Write e.g. --margin 0.05 for 5 %.',
  });
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`);
  } catch (cause) {
    throw new ScratchpadError('OUTPUT_UNWRITABLE', `Cannot write ${file}`, {
      cause,
      hint: 'Name a file in a folder that you may write to.',
    });
  }
}
