import { Args, Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';

export default class Compare extends ScratchpadCommand {
  static override summary = 'Compare records: ratios with intervals, and a verdict for each.';
  static override description =
    'Takes the files or bench folders that are named, else the newest ones in results/. Records that were made under different conditions are refused with the list of differences; --force compares them all the same and keeps the warning.';
  static override examples = [
    '<%= config.bin %> compare',
    '<%= config.bin %> compare --format markdown results/bench-20261124T031500Z-1f2e',
    '<%= config.bin %> compare results/new --baseline results/old --fail-if "p99>1.05"',
  ];
  static override strict = false;
  static override args = {
    record: Args.string({ description: 'record files or bench folders; any number of them' }),
  };
  static override flags = {
    format: Flags.option({
      options: ['table', 'markdown', 'json', 'csv', 'html'] as const,
      description: 'how the comparison is printed',
      default: 'table' as const,
    })(),
    baseline: Flags.string({
      description: 'compare against the bench in this folder',
      helpValue: '<bench>',
    }),
    control: Flags.string({
      description: 'take the noise floor from the A/A pair of this bench',
      helpValue: '<bench>',
    }),
    'fail-if': Flags.string({
      description: 'exit 5 where the interval supports it, e.g. "p99>1.05"; may be repeated',
      multiple: true,
      helpValue: '<expr>',
    }),
    margin: Flags.string({
      description: 'equivalence margin',
      default: '0.05',
      helpValue: '<share>',
    }),
    force: Flags.boolean({
      description: 'compare records that are not comparable, with a warning',
    }),
    out: Flags.string({ description: 'write it here instead of stdout', helpValue: '<file>' }),
  };

  async run(): Promise<unknown> {
    const { argv, flags } = await this.parse(Compare);
    const { runCompare } = await import('../report/command.ts');
    const { text, comparison, failure, writtenTo } = await runCompare({
      files: argv as string[],
      flags,
      stdout: { isTTY: Boolean(process.stdout.isTTY), columns: process.stdout.columns },
    });
    if (writtenTo) this.log(`written: ${writtenTo}`);
    else if (!this.jsonEnabled()) process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    this.report(failure);
    return comparison;
  }
}
