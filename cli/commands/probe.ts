import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { ScratchpadError } from '../errors.ts';
import { deploymentFlags, targetArg } from '../flags.ts';

export default class Probe extends ScratchpadCommand {
  static override summary = 'Measure how long a target takes to its first valid reply.';
  static override description =
    'Each trial is a fresh deployment, polled every 5 ms from the instant before the start call; building and provisioning are timed apart. The result is an interval: [last miss, first valid reply].';
  static override examples = [
    '<%= config.bin %> probe docker',
    '<%= config.bin %> probe bare --trials 10 --mode restart',
    '<%= config.bin %> probe --url http://127.0.0.1:8080/',
  ];
  static override args = { target: targetArg };
  static override flags = {
    ...deploymentFlags,
    trials: Flags.integer({ description: 'start-up trials', default: 5, min: 1, max: 1000 }),
    mode: Flags.option({
      options: ['warm', 'restart', 'cold'] as const,
      description:
        'warm: fresh deployment; restart: a stopped one started again; cold: page cache dropped first (needs root)',
      default: 'warm' as const,
    })(),
    url: Flags.string({
      description: 'check a running app instead of starting one',
      helpValue: '<url>',
    }),
    out: Flags.string({ description: 'write the record here', helpValue: '<file>' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Probe);
    if ((args.target === undefined) === (flags.url === undefined)) {
      throw new ScratchpadError('BAD_FLAG', 'Name a target or give --url, one of the two', {
        hint: 'E.g. `scratchpad probe docker` or `scratchpad probe --url http://127.0.0.1:8080/`.',
      });
    }
    if (flags.url !== undefined) {
      const { probeUrl } = await import('../probe/url.ts');
      const result = await probeUrl(flags.url, { checks: flags.trials, signal: this.signal });
      this.log(result.text);
      return result.report;
    }
    const { probeTarget } = await import('../probe/probe.ts');
    const { record, file, text } = await probeTarget({
      target: args.target!,
      flags,
      trials: flags.trials,
      mode: flags.mode,
      out: flags.out,
      progress: this.progress,
      signal: this.signal,
    });
    this.progress.done();
    this.log(text);
    this.log(`record: ${file}`);
    if (record.interrupted) process.exitCode = 130;
    return record;
  }
}
