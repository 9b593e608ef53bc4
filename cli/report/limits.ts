/** What a reader must know before a figure: banners, what could not be measured, notes, warnings. */
import type { Collection } from './collect.ts';
import { type Difference, describeDifference, isKnown, LIMITS } from './comparability.ts';
import { driftWarnings } from './drift-warnings.ts';
import type { Comparison, MetricResult } from './model.ts';

export function noteOf(difference: Difference): string {
  const unknown = difference.values.some((value) => !isKnown(value));
  return `${unknown ? 'not known everywhere' : 'differs by design'}: ${describeDifference(difference)}`;
}

export function bannersOf(
  comparison: Comparison,
  emulated: string[],
  current: Collection,
): string[] {
  const banners: string[] = [];
  const { inference, bench, forced, subjects } = comparison;
  const unequal = unequalLimits(comparison);
  if (unequal !== null) banners.push(unequal);
  if (subjects.length > 1 && !inference.allowed) {
    const quick = bench?.quick ? 'Quick bench: ' : '';
    banners.push(capital(`${quick}no inference. ${capital(inference.reason ?? '')}.`));
  }
  const limited = clientLimitedBanner(current);
  if (limited !== null) banners.push(limited);
  if (emulated.length > 0) {
    banners.push(
      `${emulated.join(', ')}: emulated (no hardware acceleration). These figures say nothing about VMs in general.`,
    );
  }
  if (inference.allowed && comparison.comparisons > 1 && !comparison.holmReachable) {
    banners.push(
      `${comparison.blocks.length} rounds: each interval holds by itself, but no difference can survive Holm's correction over ${comparison.comparisons} comparisons. More rounds can.`,
    );
  }
  if (forced) banners.push('Forced: these records were not made under the same conditions.');
  return banners;
}

/** Ceilings that differ as declared: the ratios answer another question, which is said first. */
function unequalLimits({ differences }: Comparison): string | null {
  const limits = differences.find(({ what, severity }) => what === LIMITS && severity === 'note');
  const known = limits?.values.filter(isKnown) ?? [];
  if (known.length < 2) return null;
  const each = known.map(({ value, labels }) => `${labels.join(', ')} ${value}`);
  return `Unequal limits, as declared: ${each.join('; ')}. The ratios are of these set-ups, not of targets under the same ceilings.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function notMeasuredOf(
  { bench, observations }: Collection,
  emulated: string[],
  metrics: MetricResult[],
): string[] {
  const lines: string[] = [];
  for (const { target, reason } of bench?.unavailableTargets ?? []) {
    lines.push(`${target}: ${reason}`);
  }
  for (const label of emulated) {
    lines.push(`${label} with hardware acceleration: this host ran it emulated`);
  }
  const host = observations[0]?.conditions.host;
  if (host !== undefined && host.cpus <= 2) {
    lines.push(
      `an undisturbed target: generator, target and the system share ${host.cpus} CPU${host.cpus === 1 ? '' : 's'}`,
    );
  }
  const namesByReason = new Map<string, string[]>();
  for (const { name, subjects } of metrics) {
    const labelsByReason = new Map<string, string[]>();
    for (const { label, unavailable, summary, missing } of subjects) {
      if (missing === 0) continue;
      const reason = unavailable.join('; ');
      const all = missing + (summary?.n ?? 0);
      const where = summary === null ? label : `${label}, ${missing} of ${all} trials`;
      labelsByReason.set(reason, [...(labelsByReason.get(reason) ?? []), where]);
    }
    for (const [reason, labels] of labelsByReason) {
      const key = `(${labels.join(', ')}): ${reason}`;
      namesByReason.set(key, [...(namesByReason.get(key) ?? []), name]);
    }
  }
  // one reason often takes several figures away: it is told once
  for (const [where, names] of namesByReason) lines.push(`${names.join('; ')} ${where}`);
  return lines;
}

export function warningsOf(
  current: Collection,
  earlier: Collection | null,
  forcedReasons: string[],
): string[] {
  const warnings = [
    ...forcedReasons.map((reason) => `not comparable, forced: ${reason}`),
    ...current.warnings,
    ...(earlier?.warnings ?? []).map((warning) => `baseline: ${warning}`),
    ...(current.bench?.warnings ?? []),
  ];
  if (earlier !== null && earlier.blocks.length !== current.blocks.length) {
    const rounds = Math.min(earlier.blocks.length, current.blocks.length);
    warnings.push(
      `${current.blocks.length} rounds, and ${earlier.blocks.length} of the baseline: the first ${rounds} of each are used`,
    );
  }
  if (earlier !== null) {
    warnings.push(
      'two benches are two days of one machine: what changed between them beside the code is part of the ratio',
    );
  }
  warnings.push(...driftWarnings(current));
  const used = current.observations.filter(({ excluded }) => excluded === null);
  warnings.push(...grouped(used, new Set(warnings)));
  return [...new Set(warnings)];
}

/**
 * The same warning with other figures is one warning: told once, with the figures of the first
 * trial, and where it was given. `in 9 of 9 trials (bare 3, docker 6): …`. What the whole bench has
 * `told` is not told of each trial again.
 */
function grouped(used: Collection['observations'], told: ReadonlySet<string>): string[] {
  const groups = new Map<string, { text: string; alike: boolean; byLabel: Map<string, number> }>();
  for (const { label, record } of used) {
    for (const text of new Set(record.warnings)) {
      if (told.has(text)) continue;
      const key = text.replace(/\s*\([^)]*\)/g, '').replace(/\d+(?:\.\d+)?/g, '#');
      const group = groups.get(key) ?? { text, alike: true, byLabel: new Map() };
      group.alike &&= group.text === text;
      group.byLabel.set(label, (group.byLabel.get(label) ?? 0) + 1);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map(({ text, alike, byLabel }) => {
    const count = [...byLabel.values()].reduce((sum, each) => sum + each, 0);
    const labels = [...byLabel.keys()];
    if (count === 1) return `${labels[0]}: ${text}`;
    const where =
      labels.length === 1
        ? `${labels[0]}, in ${count} of ${used.filter(({ label }) => label === labels[0]).length} trials`
        : `in ${count} of ${used.length} trials (${[...byLabel].map(([label, n]) => `${label} ${n}`).join(', ')})`;
    return `${where}: ${alike ? '' : 'e.g. '}${text}`;
  });
}

/** Trials of a quick bench, whose gates only warn, in which the generator was measured. */
function clientLimitedBanner({ observations }: Collection): string | null {
  const used = observations.filter(({ excluded }) => excluded === null);
  const limited = used.filter(
    ({ record }) => record.kind === 'trial' && record.latency.generator.clientLimited,
  );
  if (limited.length === 0) return null;
  return `The generator was the bottleneck in ${limited.length} of ${used.length} trials: their latency is the generator's, not the target's.`;
}
