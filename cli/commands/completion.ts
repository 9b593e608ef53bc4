import { Args } from '@oclif/core';
import { ScratchpadCommand } from '../command.ts';
import { ScratchpadError } from '../errors.ts';

const SHELLS = ['bash', 'zsh', 'fish'];

export default class Completion extends ScratchpadCommand {
  static override summary = 'Print the script that completes commands in a shell.';
  static override description =
    'The script is static: completing starts no program. For good: put the first example into ~/.bashrc, the second into ~/.zshrc behind compinit; fish finds the file by itself.';
  static override examples = [
    'source <(<%= config.bin %> completion bash)',
    'source <(<%= config.bin %> completion zsh)',
    '<%= config.bin %> completion fish > ~/.config/fish/completions/<%= config.bin %>.fish',
  ];
  static override args = {
    shell: Args.string({ description: `one of ${SHELLS.join(', ')}` }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(Completion);
    const shell = args.shell ?? process.env['SHELL']?.split('/').at(-1) ?? '';
    if (!SHELLS.includes(shell)) {
      throw new ScratchpadError('BAD_FLAG', `There is no completion for the shell "${shell}"`, {
        hint: `Name one of ${SHELLS.join(', ')}.`,
      });
    }
    const { readCompletion } = await import('../host/completion.ts');
    const script = readCompletion(shell);
    this.log(script.trimEnd());
    return { schemaVersion: 1, kind: 'completion', shell, script };
  }
}
