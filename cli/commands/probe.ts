import { Flags, type Interfaces } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { ScratchpadError } from '../errors.ts';
import { deploymentFlags, durationFlag, targetArg, withAddress } from '../flags.ts';

type ProbeFlags = Interfaces.InferredFlags<typeof Probe.flags>;

export default class Probe extends ScratchpadCommand {
  static override summary = 'Measure how long a target takes to its first valid reply.';
  static override description =
    'Each trial is a fresh deployment, polled every 5 ms from the instant before the start call; building and provisioning are timed apart. The result is an interval: [last miss, first valid reply]. --paths also loads each path that the target offers, at one rate and at saturation, and shows what the path costs.';
  static override examples = [
    '<%= config.bin %> probe docker',
    '<%= config.bin %> probe bare --trials 10 --mode restart',
    '<%= config.bin %> probe docker --paths',
    '<%= config.bin %> probe --url http://127.0.0.1:8080/',
  ];
  static override args = { target: targetArg };
  static override flags = {
    ...deploymentFlags,
    trials: Flags.integer({
      description: 'start-up trials (default 5); with --paths: rounds (default 3)',
      min: 1,
      max: 1000,
    }),
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
    settle: Flags.boolean({
      description: 'read the memory at ready + 30 s too: 30 s more a trial',
      exclusive: ['paths', 'url'],
    }),
    paths: Flags.boolean({ description: 'measure each path that the target offers' }),
    rate: Flags.integer({
      description: 'with --paths: requests/s of all (default: a third of what the slowest carries)',
      helpValue: '<n>',
      min: 1,
    }),
    duration: durationFlag({ description: 'with --paths: of each load (default 5)' }),
    seed: Flags.integer({ description: 'with --paths: seed of order and plan (default 1)' }),
    out: Flags.string({ description: 'write the record here', helpValue: '<file>' }),
  };

  async run(): Promise<unknown> {
    const parsed = await this.parse(Probe);
    const { target: typed, flags } = withAddress(parsed.args.target, parsed.flags);
    if ((typed === undefined) === (flags.url === undefined)) {
      throw new ScratchpadError('BAD_FLAG', 'Name a target or give --url, one of the two', {
        hint: 'E.g. `scratchpad probe docker` or `scratchpad probe --url http://127.0.0.1:8080/`.',
      });
    }
    const { resolveTargetName } = await import('../targets/registry.ts');
    const target = await resolveTargetName(typed);
    if (flags.paths) return this.measurePaths(target, flags);
    for (const name of ['rate', 'duration', 'seed'] as const) {
      if (flags[name] === undefined) continue;
      throw new ScratchpadError('BAD_FLAG', `--${name} belongs to --paths`, {
        hint: 'Add --paths, or use `scratchpad load`.',
      });
    }
    const trials = flags.trials ?? 5;
    if (flags.url !== undefined) {
      const { probeUrl } = await import('../probe/url.ts');
      const result = await probeUrl(flags.url, { checks: trials, signal: this.signal });
      this.log(result.text);
      return result.report;
    }
    const { probeTarget } = await import('../probe/probe.ts');
    const { record, file, text, failure } = await probeTarget({
      target: target!,
      flags,
      trials,
      mode: flags.mode,
      settle: flags.settle,
      out: flags.out,
      progress: this.progress,
      signal: this.signal,
    });
    this.progress.done();
    this.log(text);
    this.log(`record: ${file}`);
    this.report(failure);
    return record;
  }
  private async measurePaths(target: string | undefined, flags: ProbeFlags): Promise<unknown> {
    if (target === undefined || flags.mode !== 'warm' || flags.path !== undefined) {
      throw new ScratchpadError(
        'BAD_FLAG',
        '--paths needs a target, and goes with neither --mode nor --path nor --url',
        { hint: 'E.g. `scratchpad probe docker --paths`.' },
      );
    }
    const [{ measurePaths }, { formatPaths }] = await Promise.all([
      import('../bench/paths.ts'),
      import('../report/paths-text.ts'),
    ]);
    const { record, file, failure } = await measurePaths({
      target,
      flags,
      rounds: flags.trials,
      durationMs: flags.duration,
      ratePerSecond: flags.rate,
      seed: flags.seed,
      out: flags.out,
      progress: this.progress,
      signal: this.signal,
    });
    this.progress.done();
    this.log(formatPaths(record));
    this.log(`record: ${file}`);
    this.report(failure);
    return record;
  }
}
