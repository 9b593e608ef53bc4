import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { ScratchpadError } from '../errors.ts';
import { targetArg } from '../flags.ts';

export default class Down extends ScratchpadCommand {
  static override summary = 'Stop and remove what was deployed, also after a crash.';
  static override examples = ['<%= config.bin %> down docker', '<%= config.bin %> down --all'];
  static override args = { target: targetArg };
  static override flags = {
    all: Flags.boolean({
      description: 'every deployment, and whatever a crashed run left behind',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Down);
    if (Boolean(flags.all) === (args.target !== undefined)) {
      throw new ScratchpadError('BAD_FLAG', 'Name a target or say --all', {
        hint: '`scratchpad status` lists what is deployed.',
      });
    }
    const [{ downAll, downTarget }, { resolveTargetName }] = await Promise.all([
      import('../targets/down.ts'),
      import('../targets/registry.ts'),
    ]);
    const result =
      args.target === undefined
        ? await downAll(this.progress)
        : await downTarget(await resolveTargetName(args.target), this.progress);
    this.progress.done();
    for (const name of result.removed) this.log(`removed ${name}`);
    if (result.removed.length === 0) this.log('nothing was deployed');
    return result;
  }
}
