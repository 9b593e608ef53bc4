/** The machine and the set-up, as rows to print: whatever the record knows, nothing left out. */
import { isUnavailable } from '../record/measured.ts';
import type { Collection } from './collect.ts';
import { limitsWords } from './comparability.ts';
import { formatValue } from './units.ts';

export interface Environment {
  summary: string;
  fingerprint: string;
  rows: Array<{ name: string; value: string }>;
}

const NAMES: Record<string, string> = {
  cpuModel: 'CPU',
  cpus: 'CPUs',
  memoryBytes: 'Memory',
  kernel: 'Kernel',
  os: 'System',
};
const HIDDEN = new Set(['summary', 'fingerprint']);

export function environmentOf({ observations, bench }: Collection): Environment {
  const host = bench?.host ?? observations[0]!.conditions.host;
  const rows = [...rowsOf(host, '')];
  const conditions = observations[0]!.conditions;
  const { artifact } = conditions;
  const limits = limitsOf(observations);
  if (limits !== null) rows.push({ name: 'Limits', value: limits });
  if (artifact != null) {
    rows.push({ name: 'Artifact SHA-256', value: printable(artifact.sha256) });
    rows.push({
      name: 'Runtime',
      value: `${printable(artifact.runtime)} ${printable(artifact.runtimeVersion)}${artifact.verifiedInTarget ? ', verified inside each target' : ''}`,
    });
  }
  for (const [phase, sha256] of Object.entries(conditions.plans)) {
    if (/^[0-9a-f]{16,}$/.test(sha256)) {
      rows.push({ name: `Request plan (${phase})`, value: sha256 });
    }
  }
  const isEmulated = observations.some((each) => each.conditions.target.acceleration === 'tcg');
  const summary = isEmulated
    ? host.summary.replace(/, (KVM|\/dev\/kvm)(?=,|$)/, ', /dev/kvm that the VM could not use')
    : host.summary;
  return { summary, fingerprint: host.fingerprint, rows };
}

/** `1 CPU, 1 GiB (equal)`, by label where they are not the same for all; null: no record says. */
function limitsOf(observations: Collection['observations']): string | null {
  const labelsOf = new Map<string, Set<string>>();
  for (const { label, conditions } of observations) {
    if (conditions.limits == null) continue;
    const words = `${limitsWords(conditions.limits)} (${conditions.limits.profile})`;
    labelsOf.set(words, (labelsOf.get(words) ?? new Set()).add(label));
  }
  if (labelsOf.size === 0) return null;
  if (labelsOf.size === 1) return [...labelsOf.keys()][0]!;
  return [...labelsOf].map(([words, labels]) => `${[...labels].join(', ')}: ${words}`).join('; ');
}

function rowsOf(object: Record<string, unknown>, prefix: string): Environment['rows'] {
  return Object.entries(object).flatMap(([key, value]) => {
    if (prefix === '' && HIDDEN.has(key)) return [];
    const name = prefix === '' ? (NAMES[key] ?? words(key)) : `${prefix}, ${words(key)}`;
    if (value === null || value === undefined) return [];
    if (typeof value === 'object' && !Array.isArray(value) && !isUnavailable(value)) {
      // small objects (engine, virtualisation) as rows of their own, long lists (mitigations) as one
      const entries = Object.entries(value);
      return entries.length <= 6 && prefix === ''
        ? rowsOf(value as Record<string, unknown>, name)
        : [{ name, value: entries.map(([k, v]) => `${k}: ${printable(v)}`).join('; ') }];
    }
    if (/Bytes$/.test(key) && typeof value === 'number') {
      return [{ name, value: formatValue(value, 'bytes') }];
    }
    return [{ name, value: printable(value) }];
  });
}

/** `cgroupVersion` → `Cgroup version`. */
function words(key: string): string {
  const spaced = key
    .replace(/(Bytes|Ms|Us)$/, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function printable(value: unknown): string {
  if (isUnavailable(value)) return `unavailable: ${value.unavailable}`;
  if (Array.isArray(value)) return value.map(printable).join('; ');
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(2);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, each]) => `${words(key).toLowerCase()} ${printable(each)}`)
    .join(', ');
}
