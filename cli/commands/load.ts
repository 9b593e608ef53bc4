import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { deploymentFlags, durationFlag, targetArg, withAddress } from '../flags.ts';

export default class Load extends ScratchpadCommand {
  static override summary = 'Drive HTTP load and record latency from the intended time.';
  static override description =
    'With --rate the loop is open: requests leave by the plan, whatever the target does, and latency counts from the intended time. With --connections alone it is closed: each connection waits for its answer, and stalls are under-sampled. Where nothing is named, the one deployment that runs is loaded. A named target that is not deployed is deployed for the load and removed afterwards.';
  static override examples = [
    '<%= config.bin %> load --duration 120',
    '<%= config.bin %> load docker --rate 500 --duration 30',
    '<%= config.bin %> load http://127.0.0.1:8080/ --connections 32 --duration 10',
    '<%= config.bin %> load bare --stages 30s:0..500,60s:500',
    "<%= config.bin %> load bare --scenario mixed --rate 200 --threshold 'p99<50ms' --threshold 'errors<0.1%'",
  ];
  static override args = { target: targetArg };
  static override flags = {
    duration: durationFlag({ description: 'measured time', default: 120_000 }),
    rate: Flags.custom<number>({
      parse: async (input) => parsePositive('--rate', input),
    })({ description: 'requests per second: open loop', helpValue: '<n>' }),
    connections: Flags.integer({
      description:
        'closed loop: concurrent connections; with --rate: their upper bound (default 64)',
      min: 1,
      max: 20_000,
    }),
    stages: Flags.string({
      description: 'open loop with ramps and steps, instead of --rate and --duration',
      helpValue: '30s:0..500,60s:500',
      exclusive: ['rate'],
    }),
    arrival: Flags.option({
      options: ['constant', 'poisson'] as const,
      description: 'spacing of an open loop',
      default: 'constant' as const,
    })(),
    url: Flags.string({ description: 'load this address instead of a target', helpValue: '<url>' }),
    socket: Flags.string({ description: 'through this Unix socket', helpValue: '<file>' }),
    insecure: Flags.boolean({ description: 'accept any TLS certificate' }),
    header: Flags.string({
      description: 'a header of each request, "name: value"; may be repeated',
      multiple: true,
      helpValue: '<header>',
    }),
    scenario: Flags.string({
      description:
        'a scenario file, a benchmark module (.mjs, .ts), or a built-in one: index, mixed',
      helpValue: '<file|name>',
    }),
    warmup: durationFlag({ description: 'time before the measured part, excluded', default: 0 }),
    timeout: durationFlag({ description: 'give up on a request after this', default: 10_000 }),
    drain: durationFlag({ description: 'wait for open answers at the end', default: 5000 }),
    workers: Flags.integer({ description: 'generator threads', default: 1, min: 1, max: 64 }),
    seed: Flags.integer({ description: 'seed of the request plan', default: 1 }),
    threshold: Flags.string({
      description: "fail with exit 5 unless met, e.g. 'p99<50ms', 'errors<0.1%'; may be repeated",
      multiple: true,
      helpValue: '<expr>',
    }),
    'no-pin': Flags.boolean({ description: 'do not pin generator and target to different CPUs' }),
    out: Flags.string({ description: 'write the record here', helpValue: '<file>' }),
    hgrm: Flags.string({
      description: 'also write the response times as an HdrHistogram percentile file, in ms',
      helpValue: '<file>',
    }),
    ...deploymentFlags,
  };

  async run(): Promise<unknown> {
    const parsed = await this.parse(Load);
    const { target, flags } = withAddress(parsed.args.target, parsed.flags);
    const [{ runLoadCommand }, { resolveTargetName }] = await Promise.all([
      import('../load/command.ts'),
      import('../targets/registry.ts'),
    ]);
    const { record, file, text, failure } = await runLoadCommand({
      target: await resolveTargetName(target),
      flags,
      progress: this.progress,
      signal: this.signal,
    });
    this.progress.done();
    this.log(text);
    this.log(`record: ${file}`);
    this.report(failure);
    return record;
  }
}

async function parsePositive(flag: string, input: string): Promise<number> {
  const value = Number(input);
  if (value > 0 && Number.isFinite(value)) return value;
  const { ScratchpadError } = await import('../errors.ts');
  throw new ScratchpadError('BAD_FLAG', `"${input}" is not a positive number`, {
    hint: `Write e.g. ${flag} 500.`,
  });
}
