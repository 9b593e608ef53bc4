import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { deploymentFlags, durationFlag } from '../flags.ts';

export default class Bench extends ScratchpadCommand {
  static override summary = 'Deploy, probe, load and compare the targets in randomised rounds.';
  static override description =
    'Each round holds every target once, in seeded random order, one alive at a time, with a second bare (of the first target, where bare takes no part) as the A/A control. Each trial is a fresh deployment: start-up, latency at one open-loop rate that every target can carry, then throughput at saturation. Every finished trial is on disk before the next starts.';
  static override examples = [
    '<%= config.bin %> bench --quick',
    '<%= config.bin %> bench',
    '<%= config.bin %> bench --targets bare,docker --rounds 6 --duration 30',
    '<%= config.bin %> bench --targets bare --artifact old=/tmp/old/dist/workload --artifact new=dist/workload',
    '<%= config.bin %> bench --resume results/bench-20261124T031500Z-1f2e',
  ];
  static override flags = {
    targets: Flags.string({
      description: 'comma separated (default: all that the host can run)',
      helpValue: '<names>',
    }),
    artifact: Flags.string({
      description:
        'compare built workloads (dist/workload folders) with each other; may be repeated, the first is the baseline',
      multiple: true,
      helpValue: '<name=folder>',
    }),
    rounds: Flags.integer({ description: 'rounds (default 12; quick 3)', min: 1, max: 1000 }),
    duration: durationFlag({ description: 'open-loop load per trial (default 120; quick 4)' }),
    warmup: durationFlag({ description: 'time before each load, excluded (default 10; quick 1)' }),
    settle: durationFlag({
      description: 'rest before the load, then memory is read again (default 30; quick 0)',
    }),
    rate: Flags.integer({
      description: 'requests per second (default: a third of the slowest target’s capacity)',
      min: 1,
    }),
    gates: Flags.option({
      options: ['enforce', 'warn'] as const,
      description:
        'enforce: a trial that fails a validity gate voids its round, which is repeated; warn: it counts, with a warning (default enforce; quick warn)',
    })(),
    quick: Flags.boolean({
      description: '3 short rounds, a smoke test: no inference',
      default: false,
    }),
    seed: Flags.integer({ description: 'seed of order and requests', default: 1 }),
    scenario: Flags.string({
      description:
        'a scenario file, a benchmark module (.mjs, .ts), or a built-in one: index, mixed',
      helpValue: '<file|name>',
    }),
    resume: Flags.string({
      description: 'go on with the bench in this folder',
      helpValue: '<bench>',
      // all of these are as that bench has declared them
      exclusive: [
        'plan',
        'artifact',
        'rounds',
        'duration',
        'warmup',
        'settle',
        'rate',
        'gates',
        'quick',
        'seed',
        'scenario',
        'out',
      ],
    }),
    plan: Flags.boolean({ description: 'print order and duration, and do nothing' }),
    out: Flags.string({ description: 'folder of the bench (default results/bench-…)' }),
    ...deploymentFlags,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Bench);
    const { runBenchCommand } = await import('../bench/command.ts');
    const { bench, text, folder, failure } = await runBenchCommand({
      flags,
      progress: this.progress,
      signal: this.signal,
      stdout: { isTTY: Boolean(process.stdout.isTTY), columns: process.stdout.columns },
    });
    this.progress.done();
    this.log(text);
    if (folder) this.log(`records: ${folder}`);
    this.report(failure);
    return bench;
  }
}
