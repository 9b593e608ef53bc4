/**
 * dist/cli/completion/: scripts for bash, zsh and fish, made from the command manifest. Static, so
 * that a press of Tab starts no Node; see docs/decisions/packaging.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CommandManifest {
  commands: Record<
    string,
    {
      summary: string;
      flags: Record<
        string,
        { type: 'option' | 'boolean'; description?: string; options?: string[]; multiple?: boolean }
      >;
      args: Record<string, { options?: string[] }>;
    }
  >;
}

const TARGETS = ['bare', 'docker', 'vm'];
const FILE_FLAGS = ['out', 'hgrm', 'scenario', 'socket', 'resume'];
const WORDS: Record<string, string[]> = {
  scenario: ['index', 'mixed'],
  provider: ['qemu', 'vagrant'],
  targets: ['bare', 'docker', 'vm', 'bare,docker', 'bare,docker,vm'],
};

interface Flag {
  name: string;
  description: string;
  takesValue: boolean;
  multiple: boolean;
  words: string[];
  file: boolean;
}

interface Completed {
  name: string;
  summary: string;
  flags: Flag[];
  argument: { words: string[]; file: boolean } | null;
}

function completed({ commands }: CommandManifest): Completed[] {
  return Object.entries(commands)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { summary, flags, args }]) => {
      const [argument] = Object.entries(args);
      const words =
        argument === undefined
          ? []
          : (argument[1].options ?? (argument[0] === 'target' ? TARGETS : []));
      return {
        name,
        summary,
        flags: Object.entries(flags).map(([flag, { type, description, options, multiple }]) => ({
          name: flag,
          description: oneLine(description ?? ''),
          takesValue: type === 'option',
          multiple: multiple ?? false,
          words: options ?? WORDS[flag] ?? [],
          file: FILE_FLAGS.includes(flag),
        })),
        // a target may be the path of a module; records and benches are files
        argument: argument ? { words, file: argument[1].options === undefined } : null,
      };
    });
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').split(/[;:(]/)[0]!.trim();
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

export function bashCompletion(manifest: CommandManifest): string {
  const commands = completed(manifest);
  const names = commands.map(({ name }) => name);
  const values = commands.flatMap(({ name, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map(({ name: flag, words, file }) => ({ key: `${name} --${flag}`, words, file })),
  );
  const cases = values.map(
    ({ key, words, file }) =>
      `    ${quoted(key)}) words=${quoted(words.join('\n'))}; files=${file ? 'yes' : ''}; flags='' ;;`,
  );
  const perCommand = commands.map(
    ({ name, flags, argument }) =>
      `    ${name}) flags=${quoted(flags.map((flag) => `--${flag.name}`).join('\n'))}; words=${quoted(
        (argument?.words ?? []).join('\n'),
      )}; files=${argument?.file ? 'yes' : ''} ;;`,
  );
  return `# bash completion for scratchpad: source this file, or put it where bash-completion looks.
_scratchpad() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local command='' words='' flags='' files='' i IFS=$'\\n'
  COMPREPLY=()
  # bash cuts --flag=value into three words
  [[ $current == '=' ]] && current=''
  [[ $previous == '=' ]] && previous=\${COMP_WORDS[COMP_CWORD-2]}
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] && continue
    command=\${COMP_WORDS[i]}
    break
  done
  case $command in
    '') words=${quoted([...names, 'help'].join('\n'))}; flags=$'--help\\n--version' ;;
${perCommand.join('\n')}
    help) words=${quoted(names.join('\n'))} ;;
  esac
  case "$command $previous" in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -F _scratchpad scratchpad
`;
}

export function zshCompletion(manifest: CommandManifest): string {
  const commands = completed(manifest);
  const plain = (text: string) => text.replaceAll(/[[\]:'\\]/g, '');
  const action = ({ words, file }: { words: string[]; file: boolean }) =>
    file && words.length > 0
      ? `{_alternative 'words:word:(${words.join(' ')})' 'files:file:_files'}`
      : file
        ? '_files'
        : words.length > 0
          ? `(${words.join(' ')})`
          : ' ';
  const specs = ({ flags, argument }: Completed) => [
    ...flags.map((flag) => {
      const value = flag.takesValue ? `:${flag.name}:${action(flag)}` : '';
      return `${flag.multiple ? '*' : ''}--${flag.name}${flag.takesValue ? '=' : ''}[${plain(flag.description)}]${value}`;
    }),
    ...(argument ? [`*:argument:${action(argument)}`] : []),
  ];
  return `#compdef scratchpad
# zsh completion for scratchpad: source it after compinit, or save it as _scratchpad in a folder of $fpath.
_scratchpad() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${plain(oneLine(summary))}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${commands
  .map(
    (command) =>
      `    ${command.name})\n      _arguments ${specs(command).map(quoted).join(' \\\n        ')}\n      ;;`,
  )
  .join('\n')}
  esac
}
if [[ $funcstack[1] == _scratchpad ]]; then
  _scratchpad "$@"
else
  compdef _scratchpad scratchpad
fi
`;
}

export function fishCompletion(manifest: CommandManifest): string {
  const lines = [
    '# fish completion for scratchpad: save it as scratchpad.fish in ~/.config/fish/completions.',
  ];
  lines.push('complete -c scratchpad -f');
  for (const { name, summary, flags, argument } of completed(manifest)) {
    lines.push(
      `complete -c scratchpad -n __fish_use_subcommand -a ${name} -d ${fishQuoted(oneLine(summary))}`,
    );
    const here = `complete -c scratchpad -n '__fish_seen_subcommand_from ${name}'`;
    for (const flag of flags) {
      const value = !flag.takesValue ? '' : flag.file ? ' -r -F' : ' -x';
      const words = flag.words.length > 0 ? ` -a ${fishQuoted(flag.words.join(' '))}` : '';
      lines.push(`${here} -l ${flag.name}${value}${words} -d ${fishQuoted(flag.description)}`);
    }
    if (argument) {
      const words = argument.words.length > 0 ? ` -a ${fishQuoted(argument.words.join(' '))}` : '';
      lines.push(`${here}${argument.file ? ' -F' : ''}${words}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const fishQuoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

export function buildCompletion(root: string): void {
  const manifest = JSON.parse(
    readFileSync(join(root, 'oclif.manifest.json'), 'utf8'),
  ) as CommandManifest;
  const folder = join(root, 'dist', 'cli', 'completion');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'bash'), bashCompletion(manifest));
  writeFileSync(join(folder, 'zsh'), zshCompletion(manifest));
  writeFileSync(join(folder, 'fish'), fishCompletion(manifest));
}
