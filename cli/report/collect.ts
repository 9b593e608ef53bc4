/**
 * Sorts records into subjects (what is compared) and blocks (rounds that hold one trial of each).
 * What does not count is kept with its reason, never dropped in silence.
 */
import { artifactOfLabel, isControl, targetOfLabel } from '../bench/plan.ts';
import { ScratchpadError } from '../errors.ts';
import { isUnavailable } from '../record/measured.ts';
import type {
  AnyRecord,
  BenchRecord,
  HostRecord,
  LoadRecord,
  ProbeRecord,
  TrialRecord,
} from '../record/schema.ts';
import { nameOf, type Origins, requireTime, withoutDuplicates } from './given.ts';
import { figuresOfLoad, figuresOfStartUp, figuresOfTrial } from './metrics.ts';
import type { Figures } from './resource-figures.ts';

/** What must agree for two observations to be comparable; see comparability.ts. */
export interface Conditions {
  host: HostRecord;
  target: TrialRecord['target'];
  artifact: TrialRecord['artifact'] | undefined;
  limits: TrialRecord['limits'] | null | undefined;
  /** SHA-256 of the request plan, by the phase of the trial it belongs to. */
  plans: Record<string, string>;
}

/** One trial, load or start-up, of one subject. */
export interface Observation {
  kind: 'trial' | 'load' | 'start-up';
  label: string;
  recordId: string;
  startedAt: string;
  /** Of the bench; null outside of one. */
  round: number | null;
  slot: number | null;
  conditions: Conditions;
  figures: Figures;
  /** Why it does not count; null where it does. */
  excluded: string | null;
  record: TrialRecord | LoadRecord | ProbeRecord;
}

/** One side of a comparison. */
export interface Collection {
  /** 'bench': rounds in random order. 'loose': records that a user put together. */
  origin: 'bench' | 'loose';
  bench: BenchRecord | null;
  labels: string[];
  observations: Observation[];
  /** Blocks in time order: per label the observation that counts, where there is one. */
  blocks: Array<{ name: string; byLabel: Map<string, Observation> }>;
  /** Why nothing may be inferred from these blocks, however many there are; null: it may. */
  noInference: string | null;
  /** Voided rounds, or voided attempts of rounds that were repeated. */
  excludedRounds: Array<{ round: number; reason: string; labels: string[]; repeated: boolean }>;
  warnings: string[];
}

/** By id where two began in the same millisecond: the order in which they are given says nothing. */
const byTime = (a: { startedAt: string; id: string }, b: { startedAt: string; id: string }) =>
  Date.parse(a.startedAt) - Date.parse(b.startedAt) || (a.id < b.id ? -1 : 1);

/**
 * @param records of one side: a bench with its trials, or loads and probes
 * @throws ScratchpadError RECORDS_NOT_COMPARABLE for trials that belong to no bench that is here, and
 *   for different records of one name; RECORD_FOREIGN for a time that is none
 */
export function collect(
  records: readonly AnyRecord[],
  force: boolean,
  origins: Origins = () => undefined,
): Collection {
  for (const record of records) requireTime(record, origins);
  const { unique, warnings } = withoutDuplicates(records, force, origins);
  const benches = unique.filter((record) => record.kind === 'bench');
  const trials = unique.filter((record) => record.kind === 'trial');
  const others = unique.filter((record) => record.kind === 'load' || record.kind === 'probe');
  if (trials.length > 0 || benches.length > 0) {
    if (others.length > 0) {
      throw new ScratchpadError(
        'RECORDS_NOT_COMPARABLE',
        'Trials of a bench cannot be mixed with records of single loads and probes',
        { hint: 'Name either the folder of a bench, or loads and probes.' },
      );
    }
    return collectBench(benches, trials, { warnings, force, origins });
  }
  return collectLoose(others, warnings);
}

function collectBench(
  benches: BenchRecord[],
  trials: TrialRecord[],
  { warnings, force, origins }: { warnings: string[]; force: boolean; origins: Origins },
): Collection {
  const bench = benches[0] ?? null;
  const benchId = bench?.id ?? trials[0]!.benchId;
  const foreign = trials.filter((trial) => trial.benchId !== benchId);
  if (benches.length > 1 || foreign.length > 0) {
    const ids = [...new Set([...benches.map(({ id }) => id), ...trials.map((t) => t.benchId)])];
    const named = foreign.slice(0, 5).map((trial) => nameOf(trial, origins));
    const more = foreign.length > named.length ? ` and ${foreign.length - named.length} more` : '';
    throw new ScratchpadError(
      'RECORDS_NOT_COMPARABLE',
      `These trials belong to ${ids.length} benches: ${ids.join(', ')}`,
      {
        ...(named.length === 0 ? {} : { cause: `not of ${benchId}: ${named.join(', ')}${more}` }),
        hint: 'Name one bench, or two benches: the older one is then the baseline.',
      },
    );
  }
  if (bench === null) {
    warnings.push(
      'bench.json is missing: schedule, voided rounds and rate come from the trials, and the order of the targets from their names',
    );
  }
  const observations = trials
    .toSorted(byTime)
    .map((trial) => observationOfTrial(trial, gatesEnforced(bench)));
  const expected = bench?.trials.length ?? 0;
  if (expected > trials.length) {
    warnings.push(`${expected - trials.length} of ${expected} trials of the bench are missing`);
  }
  if (expected > 0 && expected < trials.length) {
    warnings.push(`${trials.length - expected} of the trials are not in the list of bench.json`);
  }
  if (bench?.interrupted) warnings.push('the bench was interrupted: later rounds are missing');

  const found = new Set(observations.map(({ label }) => label));
  const labels = inOrder(found, bench?.targets ?? [...found].sort(byPlace));
  const excludedRounds = excludeRounds(observations, bench);
  const blocks: Collection['blocks'] = [];
  for (const round of roundsOf(observations)) {
    const byLabel = new Map<string, Observation>();
    for (const observation of observations) {
      if (observation.round !== round || observation.excluded !== null) continue;
      if (byLabel.has(observation.label)) {
        const both = [byLabel.get(observation.label)!, observation];
        const names = both.map(({ record }) => nameOf(record, origins)).join(', ');
        const message = `round ${round} holds two valid trials of ${observation.label}: ${names}`;
        if (!force) {
          throw new ScratchpadError('RECORDS_NOT_COMPARABLE', message, {
            hint: 'One of them does not belong to the bench. --force keeps the later one.',
          });
        }
        warnings.push(`${message}: the later one is used`);
      }
      byLabel.set(observation.label, observation);
    }
    if (byLabel.size > 0) blocks.push({ name: `round ${round}`, byLabel });
  }
  const incomplete = blocks.filter(({ byLabel }) => byLabel.size < labels.length);
  for (const { name, byLabel } of incomplete) {
    const missing = labels.filter((label) => !byLabel.has(label));
    warnings.push(`${name} has no ${missing.join(', ')}: it counts for the other pairs only`);
  }
  return {
    origin: 'bench',
    bench,
    labels,
    observations,
    blocks,
    noInference: isQuick(bench, trials) ? QUICK : null,
    excludedRounds,
    warnings,
  };
}

const QUICK = 'a quick bench is a smoke test: its loads are short and its gates only warn';

/** Each trial of a quick bench says so as well: its figures are none, whatever stands beside them. */
function isQuick(bench: BenchRecord | null, trials: readonly TrialRecord[]): boolean {
  return bench?.quick === true || trials.some((trial) => trial['quick'] === true);
}

const PLACES = ['bare', 'docker', 'vm'];

/** The order of a bench whose bench.json is lost; which target ran first was drawn by lot. */
function byPlace(a: string, b: string): number {
  const place = (label: string) => {
    const at = PLACES.indexOf(targetOfLabel(label));
    return at === -1 ? PLACES.length : at;
  };
  const control = (label: string) => Number(isControl(label));
  const artifact = (label: string) => artifactOfLabel(label) ?? '';
  return (
    control(a) - control(b) ||
    place(a) - place(b) ||
    targetOfLabel(a).localeCompare(targetOfLabel(b)) ||
    artifact(a).localeCompare(artifact(b))
  );
}

function roundsOf(observations: Observation[]): number[] {
  return [...new Set(observations.map(({ round }) => round ?? 0))].sort((a, b) => a - b);
}

/**
 * A failed gate voids its whole round, the good trials of it included: they would otherwise be
 * compared with trials of another time. A round that was repeated keeps its number; what came after
 * the last void is the repetition.
 */
function excludeRounds(
  observations: Observation[],
  bench: BenchRecord | null,
): Collection['excludedRounds'] {
  const rounds: Collection['excludedRounds'] = [];
  for (const round of roundsOf(observations)) {
    const inRound = observations.filter((observation) => observation.round === round);
    const voided = inRound.filter(({ excluded }) => excluded !== null);
    const declared = bench?.voidedRounds.find((each) => each.round === round);
    if (voided.length === 0 && declared === undefined) continue;

    const lastVoid = Math.max(...voided.map(({ startedAt }) => Date.parse(startedAt)));
    const repetition = inRound.filter(
      ({ excluded, startedAt }) => excluded === null && Date.parse(startedAt) > lastVoid,
    );
    const repeated =
      voided.length > 0
        ? voided.every(({ label }) => repetition.some((each) => each.label === label))
        : // the voided attempt is not among these records, and the bench says that it was made good
          (bench?.roundsDone ?? 0) >= round;
    const dropped = inRound.filter((each) => !(repeated && repetition.includes(each)));
    const reasons = voided.map(({ label, excluded }) => `${label}: ${excluded}`);
    const reason = declared?.reason ?? [...new Set(reasons)].join('; ');
    for (const observation of dropped) {
      observation.excluded ??= `its round was voided: ${reason}`;
    }
    rounds.push({ round, reason, labels: dropped.map(({ label }) => label), repeated });
  }
  return rounds;
}

/** A quick bench declares that its gates only warn: nothing is inferred from it anyway. */
function gatesEnforced(bench: BenchRecord | null): boolean {
  const gates = bench?.plan['gates'] as { enforced?: unknown } | undefined;
  return gates?.enforced !== false;
}

function observationOfTrial(trial: TrialRecord, enforced: boolean): Observation {
  const { generator } = trial.latency;
  let excluded = trial.voided;
  if (excluded === null && generator.clientLimited && enforced) {
    excluded = `the generator was the bottleneck (${generator.reasons.join('; ')})`;
  }
  if (excluded === null && trial.latency.interrupted) excluded = 'its load was interrupted';
  const plans: Record<string, string> = { latency: trial.latency.plan.sha256 };
  if (!isUnavailable(trial.saturation)) {
    plans['saturation'] = (trial.saturation as TrialRecord['latency']).plan.sha256;
  }
  return {
    kind: 'trial',
    label: trial.label,
    recordId: trial.id,
    startedAt: trial.startedAt,
    round: trial.round,
    slot: trial.slot,
    conditions: {
      host: trial.host,
      target: trial.target,
      artifact: trial.artifact,
      limits: trial.limits,
      plans,
    },
    figures: figuresOfTrial(trial),
    excluded,
    record: trial,
  };
}

function collectLoose(records: Array<LoadRecord | ProbeRecord>, warnings: string[]): Collection {
  const inTime = records.toSorted(byTime);
  const names = new Set(inTime.map(({ target }) => target.name));
  // one target only: then the records themselves are what is compared
  const single = names.size === 1 && countOfLargestKind(inTime) > 1;
  const labelOf = (record: LoadRecord | ProbeRecord) => {
    if (!single) return record.target.name;
    const peers = inTime.filter(({ kind }) => kind === record.kind);
    const index = peers.indexOf(record);
    return index === 0 ? record.target.name : `${record.target.name} (${index + 1})`;
  };
  const observations = inTime.flatMap((record): Observation[] =>
    record.kind === 'load'
      ? [observationOfLoad(record, labelOf(record))]
      : observationsOfProbe(record, labelOf(record)),
  );
  // which target was measured first must not decide what is divided by what
  const labels = inOrder(new Set(observations.map(({ label }) => label)), PLACES);

  const blocks: Collection['blocks'] = [];
  for (const kind of ['load', 'start-up'] as const) {
    const perLabel = labels.map((label) =>
      observations.filter((each) => each.label === label && each.kind === kind && !each.excluded),
    );
    const longest = Math.max(0, ...perLabel.map((each) => each.length));
    for (let i = 0; i < longest; i++) {
      const byLabel = new Map<string, Observation>();
      labels.forEach((label, at) => {
        const observation = perLabel[at]![i];
        if (observation !== undefined) byLabel.set(label, observation);
      });
      blocks.push({ name: `${kind} ${i + 1}`, byLabel });
    }
  }
  const noInference = interleaved(blocks)
    ? null
    : 'the records were made one target after the other, not in rounds: drift of the machine cannot be told from a difference';
  if (blocks.length > 1 && noInference === null) {
    warnings.push(
      'records outside of a bench: whether each had a fresh deployment is not known; paired in the order of their start',
    );
  }
  return {
    origin: 'loose',
    bench: null,
    labels,
    observations,
    blocks,
    noInference,
    excludedRounds: [],
    warnings,
  };
}

function countOfLargestKind(records: Array<LoadRecord | ProbeRecord>): number {
  const loads = records.filter(({ kind }) => kind === 'load').length;
  return Math.max(loads, records.length - loads);
}

/** Is every block over before the next one of its kind begins, and whole? */
function interleaved(blocks: Collection['blocks']): boolean {
  let latest = Number.NEGATIVE_INFINITY;
  for (const { byLabel } of blocks) {
    const observations = [...byLabel.values()];
    // the start-ups of a probe record follow each other: they have no starts of their own
    if (observations.some(({ kind }) => kind !== 'load')) return false;
    const starts = observations.map(({ startedAt }) => Date.parse(startedAt));
    if (Math.min(...starts) < latest) return false;
    latest = Math.max(...starts);
  }
  return true;
}

function observationOfLoad(load: LoadRecord, label: string): Observation {
  return {
    kind: 'load',
    label,
    recordId: load.id,
    startedAt: load.startedAt,
    round: null,
    slot: null,
    conditions: {
      host: load.host,
      target: load.target,
      artifact: load.artifact,
      limits: load.limits,
      plans: { load: load.plan.sha256 },
    },
    figures: figuresOfLoad(load),
    excluded: null,
    record: load,
  };
}

function observationsOfProbe(probe: ProbeRecord, label: string): Observation[] {
  return probe.trials.map((startUp) => ({
    kind: 'start-up' as const,
    label,
    recordId: probe.id,
    startedAt: probe.startedAt,
    round: null,
    slot: null,
    conditions: {
      host: probe.host,
      target: probe.target,
      artifact: probe.artifact,
      limits: probe.limits,
      plans: { 'start-up': startUp.mode },
    },
    figures: figuresOfStartUp(startUp),
    excluded: null,
    record: probe,
  }));
}

/** Labels in the wanted order first, then the others as they came. */
function inOrder(labels: Set<string>, wanted: readonly string[]): string[] {
  const first = wanted.filter((label) => labels.has(label));
  return [...new Set([...first, ...labels])];
}
