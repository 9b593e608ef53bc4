import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { deploymentFlags, requireTarget, targetArg } from '../flags.ts';

export default class Deploy extends ScratchpadCommand {
  static override summary = 'Run the scratch pad on a target and leave it running.';
  static override description =
    'Builds what the target needs (never counted as start-up), starts it, waits for its first valid reply and verifies that the one artifact runs inside. The URL is bound to 127.0.0.1. `scratchpad down` removes it.';
  static override examples = [
    '<%= config.bin %> deploy bare',
    '<%= config.bin %> deploy docker --port 8080 --cpus 2 --memory 512m',
    '<%= config.bin %> deploy vm --provider qemu',
  ];
  static override args = { target: targetArg };
  static override flags = {
    ...deploymentFlags,
    port: Flags.integer({
      description: 'port on 127.0.0.1',
      default: 5001,
      min: 1,
      max: 65535,
      helpValue: '<port>',
    }),
    'request-log': Flags.boolean({ description: 'the workload logs one line per request' }),
    'no-seed': Flags.boolean({ description: 'start with an empty list of posts' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Deploy);
    const [{ deployAndWait }, { phasesOf }, { resolveTargetName }] = await Promise.all([
      import('../probe/launch.ts'),
      import('../probe/start-up.ts'),
      import('../targets/registry.ts'),
    ]);
    const result = await deployAndWait({
      target: await resolveTargetName(requireTarget(args.target)),
      flags,
      port: flags.port,
      options: {
        requestLog: flags['request-log'],
        seed: !flags['no-seed'],
        healthCheck: true,
      },
      progress: this.progress,
      warnings: this.progress.warnings,
      signal: this.signal,
    });
    this.progress.done();
    this.log(`${result.target.name} is up at ${result.url}`);
    this.log(
      `first valid reply ${Math.round(result.startUp.firstHitMs)} ms after the start call; prepared in ${Math.round(result.prepareMs)} ms${result.prepareCached ? ' (cached)' : ''}`,
    );
    const phases = phasesOf(result.startUp);
    if (phases !== '') this.log(`of these, in ms: ${phases}`);
    if (result.target.acceleration === 'tcg') {
      this.log('emulated: this VM has no hardware acceleration (tcg)');
    }
    this.log(`stop it with: scratchpad down ${result.target.name}`);
    return result;
  }
}
