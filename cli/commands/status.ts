import { Flags } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { ScratchpadError } from '../errors.ts';

export default class Status extends ScratchpadCommand {
  static override summary = 'What is deployed, and what it uses.';
  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status --watch'];
  static override flags = {
    watch: Flags.boolean({ description: 'live figures, once a second, until Ctrl-C' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Status);
    const { nameOf, readStatus, watchStatus } = await import('../targets/status.ts');
    if (flags.watch) {
      if (this.jsonEnabled()) {
        throw new ScratchpadError('BAD_FLAG', '--watch is a view for people: it has no --json', {
          hint: 'Leave one of the two out; the samples of a load are in its record.',
        });
      }
      this.endsByInterrupt = true;
      await watchStatus({ signal: this.signal, stream: process.stdout });
      return undefined;
    }
    const status = await readStatus();
    if (status.deployments.length === 0) {
      this.log('nothing is deployed; `scratchpad deploy bare` is the quickest start');
    }
    for (const each of status.deployments) {
      const { target, provider, acceleration, url, state, detail, createdAt } = each;
      const name = nameOf(provider ? `${target} (${provider})` : target, acceleration);
      this.log(`${name.padEnd(20)} ${state.padEnd(9)} ${url}  since ${createdAt}  ${detail}`);
    }
    for (const { file, reason } of status.unreadable) this.warn(`${file}: ${reason}`);
    return status;
  }
}
