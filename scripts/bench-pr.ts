/**
 * Does HEAD cost more than BASE? Builds the workload of both commits, measures base against itself
 * (A/A, the noise floor of this machine), then base and head in ABBA order, and lets `compare` decide.
 *
 *     npm run bench:pr -- BASE HEAD [--targets bare,docker] [--pairs 10] [--out FOLDER]
 *
 * All of it by the CLI of this checkout and on its pinned Node: what differs is the workload alone.
 * Leaves in FOLDER: comment.md, verdict.json, and for each target report.html and the two benches.
 * Exit codes as the CLI's: 0 no regression, 5 a regression that the interval supports and that is
 * beyond the noise floor, 2 usage, 3 a commit cannot be built or started, 4 void, 130 interrupted.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Comparison } from '../cli/report/model.ts';
import {
  type BuiltCommit,
  buildCommit,
  CommandFailed,
  commitOf,
  forwardSignals,
  run,
} from './bench-pr-build.ts';
import { floorLines, gatesFor, renderComment, type TargetVerdict } from './bench-pr-words.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cli = join(root, 'cli/bin/run.js');

/** Fewer give no verdict that survives Holm's correction over the five primary metrics. */
const MIN_PAIRS = 10;

interface Settings {
  base: string;
  head: string;
  repository: string;
  targets: string[];
  pairs: number;
  aaPairs: number;
  margin: number;
  out: string;
  /** Passed on to every bench as they are. */
  benchFlags: string[];
  rate: string | undefined;
}

class UsageError extends Error {}

function readSettings(argv: string[]): Settings {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      targets: { type: 'string', default: 'bare' },
      pairs: { type: 'string', default: String(MIN_PAIRS) },
      'aa-pairs': { type: 'string', default: String(MIN_PAIRS) },
      margin: { type: 'string', default: '0.05' },
      duration: { type: 'string', default: '5' },
      warmup: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string' },
      'gates-warn': { type: 'boolean', default: false },
      repository: { type: 'string', default: root },
      out: { type: 'string' },
    },
  });
  const [base, head, more] = positionals;
  if (base === undefined || head === undefined || more !== undefined) {
    throw new UsageError('name two commits: npm run bench:pr -- BASE HEAD');
  }
  const whole = (name: 'pairs' | 'aa-pairs', least: number) => {
    const count = Number(values[name]);
    if (Number.isInteger(count) && count >= least && count <= 1000) return count;
    throw new UsageError(`--${name} is a whole number of at least ${least}, not ${values[name]}`);
  };
  const margin = Number(values.margin);
  if (!(margin > 0 && margin < 1)) throw new UsageError('--margin is a share, e.g. 0.05');
  return {
    base,
    head,
    repository: resolve(values.repository),
    targets: values.targets.split(',').filter(Boolean),
    pairs: whole('pairs', MIN_PAIRS),
    aaPairs: whole('aa-pairs', 1),
    margin,
    out: resolve(
      values.out ?? join(root, 'results', `pr-${new Date().toISOString().replace(/[:.]/g, '-')}`),
    ),
    rate: values.rate,
    benchFlags: [
      `--duration=${values.duration}`,
      `--warmup=${values.warmup}`,
      '--settle=0',
      `--seed=${values.seed}`,
      ...(values['gates-warn'] ? ['--gates=warn'] : []),
    ],
  };
}

/** The CLI, its progress shown; throws its exit code unless that is in `allowed`. */
async function scratchpad<T>(args: string[], allowed = [0]): Promise<{ code: number; json: T }> {
  const { code, stdout } = await run(process.execPath, [cli, ...args, '--json'], { allowed });
  return { code, json: JSON.parse(stdout) as T };
}

async function measure(
  target: string,
  { base, head }: Record<'base' | 'head', BuiltCommit>,
  settings: Settings,
): Promise<TargetVerdict> {
  const folder = join(settings.out, target);
  const baseFlag = `--artifact=base=${base.folder}`;
  const headFlag = `--artifact=head=${head.folder}`;
  const bench = (name: string, rounds: number, flags: string[]) =>
    scratchpad<{ plan: { ratePerSecond: number } }>([
      'bench',
      `--targets=${target}`,
      `--rounds=${rounds}`,
      `--out=${join(folder, name)}`,
      ...settings.benchFlags,
      ...flags,
    ]);
  let { rate } = settings;
  if (rate === undefined) {
    say(`${target}: a rehearsal of both, for a rate that both can carry`);
    const { json } = await bench('rehearsal', 1, [baseFlag, headFlag, '--quick', '--duration=2']);
    rate = String(json.plan.ratePerSecond);
  }
  say(`${target}: A/A, base against itself, ${settings.aaPairs} pairs at ${rate} requests/s`);
  await bench('aa', settings.aaPairs, [baseFlag, `--rate=${rate}`]);
  const aa = await scratchpad<Comparison>(['compare', join(folder, 'aa')]);
  for (const line of floorLines(aa.json)) say(`  ${line}`);

  say(`${target}: base and head, ${settings.pairs} pairs, ABBA`);
  await bench('ab', settings.pairs, [baseFlag, headFlag, `--rate=${rate}`]);
  const identical = base.sha256 === head.sha256;
  // the same bytes cannot be slower: whatever is seen then is the machine
  const gates = identical ? [] : gatesFor(settings.margin).map((gate) => `--fail-if=${gate}`);
  const compare = (format: string, file: string) =>
    scratchpad<Comparison & { error?: unknown }>(
      [
        'compare',
        join(folder, 'ab'),
        `--control=${join(folder, 'aa')}`,
        `--margin=${settings.margin}`,
        `--format=${format}`,
        `--out=${join(folder, file)}`,
        ...gates,
      ],
      [0, 5],
    );
  await compare('markdown', 'report.md');
  const { code, json } = await compare('html', 'report.html');
  return { target, identical, regressed: code === 5, comparison: json, aa: aa.json };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function main(): Promise<number> {
  const settings = readSettings(process.argv.slice(2));
  forwardSignals();
  const commits = {
    base: await commitOf(settings.repository, settings.base),
    head: await commitOf(settings.repository, settings.head),
  };
  mkdirSync(settings.out, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'scratchpad-pr-'));
  try {
    const build = (name: 'base' | 'head') => {
      say(`building ${name}, ${commits[name].slice(0, 12)}`);
      return buildCommit({
        root,
        repository: settings.repository,
        commit: commits[name],
        folder: join(work, name),
      });
    };
    const built = { base: await build('base'), head: await build('head') };
    const verdicts: TargetVerdict[] = [];
    const voided: string[] = [];
    for (const target of settings.targets) {
      try {
        verdicts.push(await measure(target, built, settings));
      } catch (error) {
        if (!(error instanceof CommandFailed) || error.exitCode !== 4) throw error;
        voided.push(target); // too busy or too noisy a machine: no verdict, and no failure of the commit
      }
    }
    const comment = renderComment(verdicts, voided, commits, settings);
    writeFileSync(join(settings.out, 'comment.md'), comment.full);
    const regressions = verdicts.flatMap(({ target, comparison }) =>
      (comparison.gates ?? []).filter(({ passed }) => !passed).map((gate) => ({ target, ...gate })),
    );
    const verdict = {
      base: commits.base,
      head: commits.head,
      identical: built.base.sha256 === built.head.sha256,
      regressions,
      voided,
    };
    writeFileSync(join(settings.out, 'verdict.json'), `${JSON.stringify(verdict, null, 2)}\n`);
    process.stdout.write(`${comment.short}\n\nwritten: ${settings.out}\n`);
    if (verdicts.some(({ regressed }) => regressed)) return 5;
    return voided.length > 0 ? 4 : 0;
  } finally {
    for (const name of ['base', 'head']) {
      const tree = join(work, name);
      await run('git', ['-C', settings.repository, 'worktree', 'remove', '--force', tree], {
        quiet: true,
        allowed: 'any',
      });
    }
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const usage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (!usage && !(error instanceof CommandFailed)) throw error;
  say(`✗ ${(error as Error).message}`);
  process.exitCode = error instanceof CommandFailed ? error.exitCode : 2;
}
