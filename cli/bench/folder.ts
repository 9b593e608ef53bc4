/**
 * A bench on disk: `bench.json` and one file per trial. Every finished trial is written before the
 * next one starts, so an interruption or a crash costs the round it falls into and nothing else.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ScratchpadError } from '../errors.ts';
import type { BenchRecord, TrialRecord } from '../record/schema.ts';
import { COMPRESSED, readRecord, recordFile, writeRecord } from '../record/store.ts';

export const BENCH_FILE = 'bench.json';

/** Whether `path` names a bench's own file, compressed or not. */
export function isBenchFile(path: string): boolean {
  return /(^|[\\/])bench\.json(\.gz)?$/.test(path);
}

/** The folder of a bench that is named by its folder or by its bench.json. */
export function benchFolder(path: string): string {
  return isBenchFile(path) ? dirname(path) : path;
}

/** A bench that `npm run results` put away: its records are compressed, and nothing adds to them. */
export function isKeptBench(path: string): boolean {
  return recordFile(join(benchFolder(path), BENCH_FILE)).endsWith(COMPRESSED);
}

/** `trial-r01-a1-s2-docker.json`: round, attempt, slot and label. */
export function trialFileName(trial: TrialRecord, attempt: number): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const label = trial.label.replace(/[^a-z0-9]+/gi, '-');
  return `trial-r${two(trial.round)}-a${attempt}-s${trial.slot}-${label}.json`;
}

/** The attempt in a trial's file name; 0 where that is no such name. */
export function attemptOf(name: string, round: number): number {
  const { r, a } = /^trial-r(?<r>\d+)-a(?<a>\d+)-s\d+-/.exec(name)?.groups ?? {};
  return Number(r) === round ? Number(a) : 0;
}

/** No trial of an earlier attempt is written over, whatever bench.json says of it. */
export function nextAttempt(folder: string, round: number): number {
  return 1 + Math.max(0, ...readdirSync(folder).map((name) => attemptOf(name, round)));
}

export function writeBench(folder: string, bench: BenchRecord): void {
  writeRecord(join(folder, BENCH_FILE), bench);
}

export function writeTrial(folder: string, name: string, trial: TrialRecord): void {
  writeRecord(join(folder, name), trial);
}

export interface LoadedBench {
  bench: BenchRecord;
  trials: TrialRecord[];
}

/**
 * @throws ScratchpadError RECORD_NOT_FOUND, RECORD_UNREADABLE, RECORD_FOREIGN; a trial that the
 *   bench names and that is missing is an error too: a comparison of the rest would not be the one
 *   that was declared
 */
export function readBench(path: string): LoadedBench {
  const folder = benchFolder(path);
  const file = recordFile(join(folder, BENCH_FILE));
  if (!existsSync(file)) {
    throw new ScratchpadError('RECORD_NOT_FOUND', `There is no bench in ${folder}`, {
      hint: 'Name the folder that `scratchpad bench` printed: it holds a bench.json.',
    });
  }
  const bench = readRecord(file);
  if (bench.kind !== 'bench') {
    throw new ScratchpadError('RECORD_FOREIGN', `${file} is a ${bench.kind} record, not a bench`, {
      hint: 'Name the folder that `scratchpad bench` printed.',
    });
  }
  const trials = bench.trials.map((name) => {
    const trial = readRecord(join(folder, name));
    if (trial.kind === 'trial') return trial;
    throw new ScratchpadError('RECORD_FOREIGN', `${name} is not a trial`, {
      hint: 'The folder has been changed: leave the bench out, or run it again.',
    });
  });
  return { bench, trials };
}

/**
 * Adds the trials that were written right before a crash, when bench.json did not name them yet: they
 * are kept, and their round is voided as one that was cut off.
 */
export function adoptUnlistedTrials(folder: string, { bench, trials }: LoadedBench): void {
  const unlisted = readdirSync(folder)
    .filter((name) => /^trial-r\d+-a\d+-s\d+-.*\.json$/.test(name) && !bench.trials.includes(name))
    .sort();
  for (const name of unlisted) {
    const trial = readRecord(join(folder, name));
    if (trial.kind !== 'trial' || trial.benchId !== bench.id) continue;
    bench.trials.push(name);
    trials.push(trial);
  }
}
