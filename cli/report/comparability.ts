/**
 * What is under study may differ, everything else must not. Between the targets of one bench the
 * target is under study, and with it the provider, the path that packets take and the acceleration:
 * those are noted beside the figures. Between two benches, or two records of one target, they are
 * confounders like all the rest.
 */
import { artifactOfLabel, type PlannedArtifact } from '../bench/plan.ts';
import { isUnavailable } from '../record/measured.ts';
import type { TrialRecord } from '../record/schema.ts';
import type { Collection, Conditions, Observation } from './collect.ts';

export interface Difference {
  /** The condition, in words. */
  what: string;
  /** 'refuse': the comparison is refused without --force. 'note': printed beside it. */
  severity: 'refuse' | 'note';
  /** Each value with the labels that have it. */
  values: Array<{ value: string; labels: string[] }>;
}

interface Rule {
  what: string;
  read(conditions: Conditions): unknown;
  /** May differ between targets: part of what a target is. */
  partOfTarget?: boolean;
  /** May differ where built workloads are under study, if each label ran the declared one. */
  declaredAs?(artifact: PlannedArtifact): string;
  /** Of a phase of the measurement: a record without that phase has no figures of it either. */
  ofPhase?: boolean;
}

export const LIMITS = 'limits';

const RULES: Rule[] = [
  { what: 'machine (fingerprint)', read: ({ host }) => host.fingerprint },
  {
    what: 'workload artifact (SHA-256)',
    read: ({ artifact }) => artifact?.sha256,
    declaredAs: ({ sha256 }) => sha256,
  },
  { what: 'runtime', read: ({ artifact, target }) => artifact?.runtime ?? target.runtime },
  { what: 'runtime version', read: ({ artifact }) => artifact?.runtimeVersion },
  { what: 'runtime binary (SHA-256)', read: ({ artifact }) => artifact?.runtimeSha256 },
  {
    what: LIMITS,
    read: ({ limits }) => (limits == null ? undefined : limitsWords(limits)),
  },
  ...['latency', 'saturation', 'load', 'start-up'].map((phase) => ({
    what: phase === 'start-up' ? 'start-up mode' : `request plan of the ${phase} phase (SHA-256)`,
    read: ({ plans }: Conditions) => plans[phase],
    ofPhase: true,
  })),
  { what: 'provider', read: ({ target }) => target.provider ?? 'none', partOfTarget: true },
  { what: 'path', read: ({ target }) => target.path, partOfTarget: true },
  {
    what: 'acceleration',
    read: ({ target }) => target.acceleration ?? 'none',
    partOfTarget: true,
  },
];

/** Differences between the labels of one side; the target is what is under study. */
export function differencesWithin({ observations, bench }: Collection): Difference[] {
  const groups = observations.filter(({ excluded }) => excluded === null);
  return RULES.flatMap((rule) => {
    const values = valuesOf(rule, groups, ({ label }) => label);
    if (!isRemarkable(values)) return [];
    const names = new Map<string, Set<string>>();
    for (const { conditions } of groups) {
      const key = read(rule, conditions);
      if (key === undefined) continue;
      const known = names.get(conditions.target.name) ?? new Set();
      names.set(conditions.target.name, known.add(key));
    }
    const targetExplains = [...names.values()].every((known) => known.size === 1);
    const explained =
      (rule.partOfTarget && targetExplains) ||
      asDeclared(rule, values, bench?.plan['artifacts']) ||
      (rule.what === LIMITS && targetExplains && unequalAsDeclared(groups, bench)) ||
      !differs(values);
    const severity = explained ? 'note' : 'refuse';
    return [{ what: rule.what, severity, values } satisfies Difference];
  });
}

/** Does each label have the value of the artifact that the bench declared for it? */
function asDeclared(rule: Rule, values: Difference['values'], declared: unknown): boolean {
  if (rule.declaredAs === undefined || declared === undefined) return false;
  const artifacts = declared as Record<string, PlannedArtifact>;
  return values.filter(isKnown).every(({ value, labels }) =>
    labels.every((label) => {
      const artifact = artifacts[artifactOfLabel(label) ?? ''];
      return artifact !== undefined && rule.declaredAs!(artifact) === value;
    }),
  );
}

/** Ceilings as a user writes them; exact, as this is also what is compared. */
export function limitsWords({ cpus, memoryBytes }: TrialRecord['limits']): string {
  const unit = [
    { bytes: 2 ** 30, name: 'GiB' },
    { bytes: 2 ** 20, name: 'MiB' },
  ].find(({ bytes }) => memoryBytes % bytes === 0) ?? { bytes: 1, name: 'bytes' };
  return `${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}, ${memoryBytes / unit.bytes} ${unit.name}`;
}

/**
 * Unequal ceilings that were asked for (`--limits classic`, alone or with --cpus or --memory): a
 * comparison of set-ups, which is said first. Each target has the ceilings that were declared for it.
 */
function unequalAsDeclared(groups: Observation[], bench: Collection['bench']): boolean {
  const declared = bench?.plan['limitsByTarget'] as
    | Record<string, TrialRecord['limits'] | undefined>
    | undefined;
  return groups.every(({ conditions: { limits, target } }) => {
    if (limits == null || limits.profile === 'classic') return true;
    const own = declared?.[target.name];
    return own !== undefined && limitsWords(own) === limitsWords(limits);
  });
}

/** Differences between two benches: whatever differs for the same label confounds. */
export function differencesBetween(current: Collection, baseline: Collection): Difference[] {
  const found: Difference[] = [];
  const shared = current.labels.filter((label) => baseline.labels.includes(label));
  for (const rule of RULES) {
    for (const label of shared) {
      const of = (side: Collection, name: string) =>
        valuesOf(
          rule,
          side.observations.filter((each) => each.label === label && each.excluded === null),
          () => name,
        );
      const both = merge([...of(current, label), ...of(baseline, `${label} (baseline)`)]);
      if (!isRemarkable(both)) continue;
      const same = found.find(
        ({ what, values }) =>
          what === rule.what && values.every(({ value }, i) => value === both[i]?.value),
      );
      if (same === undefined) {
        found.push({
          what: rule.what,
          severity: differs(both) ? 'refuse' : 'note',
          values: both,
        });
      } else {
        both.forEach(({ labels }, i) => {
          same.values[i]!.labels.push(...labels);
        });
      }
    }
  }
  for (const [side, other, name] of [
    [current, baseline, 'the baseline has none'],
    [baseline, current, 'only the baseline has it'],
  ] as const) {
    for (const label of side.labels.filter((each) => !other.labels.includes(each))) {
      found.push({
        what: `target ${label}`,
        severity: 'note',
        values: [{ value: name, labels: [label] }],
      });
    }
  }
  return found;
}

/** Loads that prove nothing: the generator was measured instead of the target, or cut short. */
export function unfitRecords({ observations }: Collection): string[] {
  return observations.flatMap((observation) => {
    if (observation.record.kind !== 'load') return [];
    const { generator, interrupted, id } = observation.record;
    const name = `load ${id} of ${observation.label}`;
    if (generator.clientLimited) {
      return [
        `${name} is void: the generator was the bottleneck (${generator.reasons.join('; ')})`,
      ];
    }
    return interrupted ? [`${name} was interrupted before its planned end`] : [];
  });
}

function read(rule: Rule, conditions: Conditions): string | undefined {
  const value = rule.read(conditions);
  if (value === undefined || value === null) {
    return rule.ofPhase ? undefined : `${UNKNOWN}the record does not say)`;
  }
  return isUnavailable(value) ? `${UNKNOWN}${value.unavailable})` : String(value);
}

const UNKNOWN = 'unknown (';

export function isKnown({ value }: Difference['values'][number]): boolean {
  return !value.startsWith(UNKNOWN);
}

/** What is not known is noted: it is no evidence of a difference, and none of agreement. */
function differs(values: Difference['values']): boolean {
  return values.filter(isKnown).length > 1;
}

/** More than one value, or one that is not known of any of those that are compared. */
function isRemarkable(values: Difference['values']): boolean {
  return values.length > 1 || values.some((each) => !isKnown(each));
}

function valuesOf(
  rule: Rule,
  observations: Observation[],
  nameOf: (observation: Observation) => string,
): Difference['values'] {
  return merge(
    observations.flatMap((observation) => {
      const value = read(rule, observation.conditions);
      return value === undefined ? [] : [{ value, labels: [nameOf(observation)] }];
    }),
  );
}

function merge(values: Difference['values']): Difference['values'] {
  const byValue = new Map<string, Set<string>>();
  for (const { value, labels } of values) {
    const known = byValue.get(value) ?? new Set<string>();
    for (const label of labels) known.add(label);
    byValue.set(value, known);
  }
  return [...byValue].map(([value, labels]) => ({ value, labels: [...labels] }));
}

/** `path: loopback (bare), docker-proxy (docker)`, `limits: 1 CPU, 1 GiB (bare), unknown in url (why)`. */
export function describeDifference({ what, values }: Difference): string {
  const known = values
    .filter(isKnown)
    .map(({ value, labels }) => `${shorten(value)} (${labels.join(', ')})`);
  const unknown = values
    .filter((each) => !isKnown(each))
    .map(
      ({ value, labels }) => `unknown in ${labels.join(', ')} ${value.slice(UNKNOWN.length - 1)}`,
    );
  return `${what}: ${[...known, ...unknown].join(', ')}`;
}

function shorten(value: string): string {
  return /^[0-9a-f]{20,}$/.test(value) ? `${value.slice(0, 12)}…` : value;
}
