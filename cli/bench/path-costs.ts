/**
 * What each path to a target costs, from its trials: figures and the ratio to the cheapest path,
 * paired by round. Pure.
 */
import { answeredInWindow } from '../load/totals.ts';
import { isUnavailable, type Measured, measuredValue, unavailable } from '../record/measured.ts';
import type { PathCost, Resources } from '../record/schema.ts';
import { comparePaired } from '../stats/paired.ts';
import { summarize } from '../stats/summary.ts';

export type PathTrial = PathCost['trials'][number];

/** A path's figures, in the order in which they are shown; the unit is in the name. */
export const PATH_FIGURES = [
  'firstValidReplyMs',
  'responseP50Us',
  'responseP99Us',
  'saturationPerSecond',
  'cpuMsPer1000Requests',
  'helpersCpuMsPer1000Requests',
] as const;
export type PathFigure = (typeof PATH_FIGURES)[number];

/** The figure by which the cheapest path is found; the next one where a path does not have it. */
const CHEAPEST_BY = ['cpuMsPer1000Requests', 'responseP50Us'] as const;

/**
 * `at-least`: a lower bound, e.g. a percentile among unanswered requests. `void`: the generator, not
 * the path, was the limit.
 */
type Flaw = 'at-least' | 'void' | null;

interface Figure {
  value: Measured<number>;
  flaw: Flaw;
}

/**
 * `trialsByPath`: in the order of the result; the trials of a path in the order of their rounds.
 * Every path has at least one. Ratios pair the rounds that both paths have.
 */
export function pathCosts(trialsByPath: ReadonlyMap<string, readonly PathTrial[]>): PathCost[] {
  const rows = [...trialsByPath].map(([path, trials]) => ({
    path,
    trials,
    figures: figures(trials),
  }));
  const cheapest = cheapestOf(rows);
  const reference = rows.find(({ path }) => path === cheapest);
  return rows.map((row) => ({
    path: row.path,
    cheapest: row === reference,
    trials: [...row.trials],
    figures: row.figures,
    ratios:
      reference === undefined || row === reference ? {} : ratios(row.trials, reference.trials),
  }));
}

function figures(trials: readonly PathTrial[]): PathCost['figures'] {
  return Object.fromEntries(
    PATH_FIGURES.map((name) => {
      const all = trials.map((trial) => figureOf(trial, name));
      return [
        name,
        {
          summary: summaryOf(all.map(({ value }) => value)),
          atLeast: all.filter(({ flaw }) => flaw === 'at-least').length,
          void: all.filter(({ flaw }) => flaw === 'void').length,
        },
      ];
    }),
  );
}

function figureOf(
  { startUp, latency, saturation, resources }: PathTrial,
  name: PathFigure,
): Figure {
  const window = isUnavailable(resources) ? null : (resources as Resources).window;
  const used = (key: string): Measured<number> =>
    window === null
      ? (resources as { unavailable: string })
      : ((window[key] as Measured<number> | undefined) ?? unavailable(`no figure ${key}`));
  const exactly = (value: Measured<number>): Figure => ({ value, flaw: null });
  const response = (name: 'p50' | 'p99'): Figure => {
    const { [name]: value, lowerBounds = [] } = latency.latencyUs.response;
    const bound = lowerBounds.includes(name) ? 'at-least' : null;
    return { value, flaw: latency.generator.clientLimited ? 'void' : bound };
  };
  switch (name) {
    case 'firstValidReplyMs':
      return exactly(startUp.firstHitMs);
    case 'responseP50Us':
      return response('p50');
    case 'responseP99Us':
      return response('p99');
    case 'saturationPerSecond': {
      // the path could have carried more than the generator asked of it
      const flaw = saturation.generator.clientLimited ? 'at-least' : null;
      return { value: saturation.requestsPerSecond, flaw };
    }
    case 'cpuMsPer1000Requests':
      return exactly(used('cpuMsPer1000Requests'));
    case 'helpersCpuMsPer1000Requests': {
      const ms = used('helpersCpuMs');
      const answered = answeredInWindow(latency.counts);
      if (answered === 0) return exactly(unavailable('no request was answered'));
      return exactly(isUnavailable(ms) ? ms : ((ms as number) / answered) * 1000);
    }
  }
}

function summaryOf(values: Array<Measured<number>>): PathCost['figures'][string]['summary'] {
  const missing = values.find((value) => isUnavailable(value));
  return missing === undefined
    ? { ...summarize(values as number[]) }
    : (missing as { unavailable: string });
}

function cheapestOf(rows: Array<{ path: string; figures: PathCost['figures'] }>): string | null {
  for (const name of CHEAPEST_BY) {
    const medians = rows.map(({ path, figures: of }) => ({
      path,
      median: medianOf(of[name]!.summary),
    }));
    if (medians.some(({ median }) => median === null)) continue;
    return medians.reduce((a, b) => (b.median! < a.median! ? b : a)).path;
  }
  return null;
}

function medianOf(summary: PathCost['figures'][string]['summary']): number | null {
  return isUnavailable(summary) ? null : (summary as { median: number }).median;
}

function ratios(a: readonly PathTrial[], b: readonly PathTrial[]): PathCost['ratios'] {
  const rounds = [...new Set([...a, ...b].map(({ round }) => round))].sort((x, y) => x - y);
  return Object.fromEntries(
    PATH_FIGURES.map((name) => {
      let flawed = 0;
      const column = (trials: readonly PathTrial[]) =>
        rounds.map((round) => {
          const trial = trials.find((each) => each.round === round);
          if (trial === undefined) return null;
          const { value, flaw } = figureOf(trial, name);
          if (flaw !== null) flawed++;
          return measuredValue(value) ?? null;
        });
      const better = name === 'saturationPerSecond' ? 'higher' : 'lower';
      const { ratio, interval95, n, reason } = comparePaired(column(a), column(b), { better });
      return [
        name,
        {
          ratio: ratio ?? unavailable(reason ?? 'no ratio'),
          interval95,
          n,
          reason: flawed > 0 ? `${flawed} of the values are void or only lower bounds` : reason,
        },
      ];
    }),
  );
}
