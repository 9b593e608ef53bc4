/** What bench:pr says: its gates, the noise floor, and the comment on a pull request. Pure. */
import type { Comparison } from '../cli/report/model.ts';
import { away } from '../cli/report/noise-floor.ts';

export interface TargetVerdict {
  target: string;
  /** Both commits build the same workload, byte for byte. */
  identical: boolean;
  regressed: boolean;
  comparison: Comparison;
  aa: Comparison;
}

/** The primary metrics, worse by more than the margin. */
export function gatesFor(margin: number): string[] {
  const more = (1 + margin).toFixed(4);
  return [
    `throughput<${(1 / (1 + margin)).toFixed(4)}`,
    ...['start-up', 'p99', 'memory', 'cpu'].map((metric) => `${metric}>${more}`),
  ];
}

const percent = (ratio: number) => `${(100 * (ratio - 1)).toFixed(1)} %`;

/** `time to the first valid reply: seen 1.012×, may differ by up to 8.1 % (6 pairs)`. */
export function floorLines(aa: Comparison): string[] {
  return aa.metrics.flatMap(({ role, phrase, control }) => {
    if (role !== 'primary' || control === null || control.ratio === null) return [];
    const seen = `noise floor, ${phrase}: A/A seen at ${control.ratio.toFixed(3)}×`;
    if (control.interval95 === null) return [`${seen}, no interval from so few pairs`];
    const far = Math.max(...control.interval95.map(away));
    return [`${seen}, may differ by up to ${percent(far)} (${control.n} pairs)`];
  });
}

/** GitHub refuses comments above 65,536 characters. */
const MAX_COMMENT_CHARACTERS = 60_000;

/** `short` is the verdict alone; `full` adds the figures of each target, folded. */
export function renderComment(
  verdicts: readonly TargetVerdict[],
  /** Targets whose measurement failed its validity gates. */
  voided: readonly string[],
  commits: { base: string; head: string },
  { margin, pairs }: { margin: number; pairs: number },
): { short: string; full: string } {
  const regressed = verdicts.filter((each) => each.regressed);
  const names = [...verdicts.map(({ target }) => target), ...voided].join(', ');
  const found = regressed.length > 0 ? 'a regression' : 'no regression found';
  const head = [
    `## Performance: ${verdicts.length === 0 ? 'void' : found}`,
    '',
    `\`${commits.head.slice(0, 12)}\` against \`${commits.base.slice(0, 12)}\` on ${names}; ${pairs} pairs in ABBA order on one machine. Fails where a whole 95 % interval is worse by more than ${100 * margin} %, and beyond the noise floor.`,
  ];
  const bodies = verdicts.map((verdict) => {
    const { target, comparison, identical, aa } = verdict;
    const lines = [`### ${target}`, ''];
    if (identical) {
      lines.push(
        'Both commits build the same workload, byte for byte: any difference is noise.',
        '',
      );
    }
    for (const { status, expression, detail } of comparison.gates ?? []) {
      const mark = status === 'failed' ? '❌' : status === 'passed' ? '✅' : '❔';
      lines.push(`- ${mark} ${status}: \`${expression}\` (${detail})`);
    }
    if (identical) lines.push(...comparison.claims.map(({ sentence }) => `- ${sentence}`));
    lines.push('', 'A/A first, base against itself:', '');
    lines.push(...floorLines(aa).map((line) => `- ${line}`));
    return lines.join('\n');
  });
  bodies.push(
    ...voided.map(
      (target) =>
        `### ${target}\n\nVoid: too many rounds failed a validity gate, the machine was too busy or too noisy.`,
    ),
  );
  const tables = verdicts.map(({ target, comparison }) => details(target, comparison));
  const short = [...head, '', bodies.join('\n\n')].join('\n');
  const full = [short, '', ...tables].join('\n');
  return { short, full: full.length > MAX_COMMENT_CHARACTERS ? short : full };
}

function details(target: string, { metrics }: Comparison): string {
  const rows = metrics.flatMap(({ name, role, pairs }) =>
    pairs.flatMap(({ ratio, interval95, wins, n, verdict }) => {
      if (ratio === null) return [];
      const interval =
        interval95 === null ? '–' : `[${interval95.map((r) => r.toFixed(3)).join(', ')}]`;
      return [
        `| ${role === 'primary' ? `**${name}**` : name} | ${ratio.toFixed(3)} | ${interval} | ${wins}/${n} | ${verdict} |`,
      ];
    }),
  );
  return [
    `<details><summary>${target}: head ÷ base, every ratio</summary>`,
    '',
    '| metric | ratio | 95 % interval | head better | verdict |',
    '| --- | ---: | --- | ---: | --- |',
    ...rows,
    '',
    '</details>',
    '',
  ].join('\n');
}
