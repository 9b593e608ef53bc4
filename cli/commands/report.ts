import { Args, Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';

export default class Report extends ScratchpadCommand {
  static override summary =
    'Write the report of a bench: one HTML page, Markdown, CSV and a picture.';
  static override description =
    'The files go beside the bench’s records, and an index of all benches into their folder. The page is self-contained: it can be mailed, attached or published as it is.';
  static override examples = [
    '<%= config.bin %> report',
    '<%= config.bin %> report results/bench-20261124T031500Z-1f2e --open',
  ];
  static override args = {
    bench: Args.string({ description: 'folder of the bench; the newest one by default' }),
  };
  static override flags = {
    open: Flags.boolean({ description: 'open the page in the browser' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Report);
    const { runReport } = await import('../report/write-report.ts');
    const result = await runReport({ bench: args.bench, open: flags.open });
    this.log(`report: ${result.report}`);
    this.log(`index:  ${result.index}`);
    for (const file of result.files) this.log(`        ${file}`);
    if (result.noPng) this.progress.line(`! no summary.png: ${result.noPng}`);
    if (flags.open && !result.opened) this.progress.line('! no program was found to open it with');
    return result;
  }
}
